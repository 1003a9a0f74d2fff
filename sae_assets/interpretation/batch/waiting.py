"""Waiting for batches, and fetching what they answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from openai.types import Batch

from sae_assets.engine.progress import Progress, Step
from sae_assets.interpretation.batch.endpoint import BatchEndpoint
from sae_assets.interpretation.batch.results import Result
from sae_assets.interpretation.batch.under_way import SentBatch, UnderWay
from sae_assets.settings import UserError

ENDED = ("completed", "failed", "expired", "cancelled")
FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 60.0
GROWTH = 1.5
"""Of the wait between two looks at a batch."""
TOO_MUCH_AT_ONCE = "token_limit_exceeded"
"""Code of a batch that is not accepted as too many tokens are under way."""
HOW_TO_LEAVE = "the run can be ended at any time, the next one goes on with them"

log = logging.getLogger(__name__)


@dataclass
class Fetched:
    """What came of the batches of a round."""

    n_answered: int = 0
    """Questions that have an answer now."""
    smallest_too_large: int | None = None
    """Questions in the smallest batch that was not accepted as too many tokens were under way."""


class BatchFetcher:
    """Waits until batches have ended and hands over what they say of every question."""

    def __init__(self, under_way: UnderWay, endpoint: BatchEndpoint, take: Callable[[Result], None]) -> None:
        """Does nothing yet.

        Args:
            take: keeps a result.
        """
        self._under_way, self._endpoint, self._take = under_way, endpoint, take

    def resolve(self) -> None:
        """Finds the batches that were begun by runs that were killed before they could note them.

        A file that no batch was begun for is forgotten: its questions are not under way.
        """
        if all(sent.batch for sent in self._under_way.batches()):
            return
        with self._under_way.sending():
            for sent in self._under_way.batches():
                if sent.batch is None and (found := self._endpoint.find(sent.input_file)):
                    self._under_way.name(sent.input_file, found)
                elif sent.batch is None:
                    self._under_way.remove(sent.input_file)

    def fetch(self, files: set[str], progress: Progress, first_wait: float = FIRST_WAIT_S) -> Fetched:
        """Waits for the batches of these input files, whoever began them.

        Args:
            first_wait: seconds before the second look; the wait grows up to a minute.

        Raises:
            UserError: the endpoint refused a batch as a whole, or can be reached no more.
        """
        total = sum(len(self._under_way.keys(file)) for file in files)
        progress(Step("batches", 0, total, "prompts", _note(len(files))))
        fetched, n_done, wait = Fetched(), dict.fromkeys(files, 0), first_wait
        while left := self._left(files):
            for sent in left:
                batch = sent.batch and self._endpoint.look(sent.batch)
                if not batch:
                    continue
                if counts := batch.request_counts:
                    n_done[sent.input_file] = counts.completed + counts.failed
                if batch.status in ENDED:
                    self._take_all(batch, sent.input_file, fetched)
            n_left = len(self._left(files))
            if any(n_done.values()):
                progress(Step("batches", sum(n_done.values()), total, "prompts", _note(n_left)))
            if n_left:
                time.sleep(wait)
                wait = min(LONGEST_WAIT_S, wait * GROWTH)
                self.resolve()
        return fetched

    def _left(self, files: set[str]) -> list[SentBatch]:
        """Those that neither this run has fetched yet nor another one that waits for the same."""
        return [sent for sent in self._under_way.batches() if sent.input_file in files]

    def _take_all(self, batch: Batch, input_file: str, fetched: Fetched) -> None:
        log.info("The batch %s is %s.", batch.id, batch.status)
        left = self._under_way.keys(input_file)
        if batch.status == "failed":
            self._under_way.remove(input_file)
            self._raise_unless_too_large(batch, len(left))
            fetched.smallest_too_large = min(len(left), fetched.smallest_too_large or len(left))
            return
        for file in filter(None, (batch.output_file_id, batch.error_file_id)):
            for result in self._endpoint.read(file):
                self._take(result)
                fetched.n_answered += result.key in left and result.completion is not None
                left.discard(result.key)
        for key in left:
            # What a person cancelled is not sent again by itself.
            self._take(Result(key, None, f"it is {batch.status}", is_passing=batch.status != "cancelled"))
        self._under_way.remove(input_file)

    def _raise_unless_too_large(self, batch: Batch, n_questions: int) -> None:
        words, errors = self._endpoint.words(batch), (batch.errors and batch.errors.data) or []
        if n_questions == 1 or TOO_MUCH_AT_ONCE not in {error.code for error in errors}:
            raise UserError(f"The endpoint {self._endpoint.place} refused the batch {batch.id}: {words}.")
        log.warning("The batch %s is too large for now: %s.", batch.id, words)


def _note(n_left: int) -> str:
    return f"batches under way: {n_left:,}; {HOW_TO_LEAVE}" if n_left else ""
