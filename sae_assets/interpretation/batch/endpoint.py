"""The calls of the Batch API: a file of questions up, a batch begun and looked at, its results down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import IO, Any, TypeVar

import openai
from openai.pagination import SyncCursorPage
from openai.types import Batch, FileObject

from sae_assets.interpretation.batch.results import Result, results_of
from sae_assets.interpretation.failures import Endpoint, describe
from sae_assets.interpretation.retries import is_passing, retrying
from sae_assets.settings import UserError

T = TypeVar("T")

COMPLETIONS = "/v1/chat/completions"
NO_SUCH_PATH = (404, 405, 501)
MOST_LOST_LOOKS = 60
"""Looks in a row that fail before the wait for a batch is given up: an hour without the endpoint."""


class BatchEndpoint:
    """The Batch API at one endpoint, for any number of threads; passing failures are retried.

    Whatever goes wrong in the end is a `UserError`, as no feature can be explained without it.
    """

    def __init__(self, client: openai.OpenAI, endpoint: Endpoint, *, first_wait: float = 1.0) -> None:
        """Connects to nothing yet.

        Args:
            client: the library's client, with the key and the proxy.
            endpoint: where it asks.
            first_wait: upper bound in seconds of the first wait before a call is made again.
        """
        self._openai, self._endpoint = client, endpoint
        self._retrying = retrying(first_wait, threading.Event(), lambda: True)
        self._n_lost_looks = 0

    @property
    def place(self) -> str:
        """The address as it may be shown."""
        return self._endpoint.place

    def check(self) -> None:
        """Raises a `UserError` where there is no Batch API, or the key may not use it."""
        self._call(lambda: self._openai.batches.list(limit=1), SyncCursorPage)

    def upload(self, questions: IO[bytes]) -> str:
        """The id of the file that holds these questions, a JSON object a line."""

        def create() -> FileObject:
            questions.seek(0)
            return self._openai.files.create(file=("questions.jsonl", questions), purpose="batch")

        return self._call(create, FileObject).id

    def begin(self, input_file: str) -> str:
        """The id of the batch that answers a file. A call of which no answer came is not made blindly again."""
        n_calls = 0

        def create() -> Batch:
            nonlocal n_calls
            n_calls += 1
            begun = self._found(input_file) if n_calls > 1 else None
            return begun or self._openai.batches.create(
                input_file_id=input_file,
                endpoint=COMPLETIONS,
                completion_window="24h",
                metadata={"made_by": "sae_assets"},
            )

        return self._call(create, Batch).id

    def find(self, input_file: str) -> str | None:
        """The id of the batch that answers a file, where one was begun."""
        batch = self._call(lambda: self._found(input_file))
        return batch and batch.id

    def look(self, batch: str) -> Batch | None:
        """How far a batch is; None where that cannot be seen now: a wait may last a day, and the network less."""
        try:
            seen = self._openai.batches.retrieve(batch)
        except openai.NotFoundError:
            raise UserError(
                f"The endpoint {self._endpoint.place} does not know the batch {batch} that was begun earlier; set the "
                "key that began it, or delete batches.sqlite in the data folder to ask and pay for its prompts again."
            ) from None
        except openai.OpenAIError as error:
            self._n_lost_looks += 1
            if not is_passing(error) or self._n_lost_looks > MOST_LOST_LOOKS:
                raise self._failure(error) from None
            return None
        except JSONDecodeError as error:
            raise self._not_batch(error) from None
        self._n_lost_looks = 0
        return self._checked(seen, Batch)

    def read(self, file: str) -> Iterator[Result]:
        """Every result in a file. One that is not there any more has none: endpoints delete them after some weeks."""

        def download() -> Iterator[bytes]:
            try:
                return self._openai.files.content(file).iter_bytes()
            except openai.NotFoundError:
                return iter(())

        return results_of(self._call(download))

    def words(self, batch: Batch) -> str:
        """What the endpoint says against a batch that it did not accept."""
        errors = (batch.errors and batch.errors.data) or []
        said = "; ".join(error.message or error.code or "" for error in errors[:3])
        return self._endpoint.redacted(said).rstrip(".") or "it gives no reason"

    def _found(self, input_file: str) -> Batch | None:
        batches = self._checked(self._openai.batches.list(limit=100), SyncCursorPage)
        return next((batch for batch in batches if batch.input_file_id == input_file), None)

    def _call(self, call: Callable[[], T], kind: type[Any] = object) -> T:
        try:
            return self._checked(self._retrying(call), kind)
        except openai.OpenAIError as error:
            raise self._failure(error) from None
        except (JSONDecodeError, AttributeError) as error:
            # The library takes for granted that what comes in place of a list is one.
            raise self._not_batch(error) from None

    def _checked(self, value: T, kind: type[Any]) -> T:
        # The library hands over whatever comes with status 200, a web page as well.
        if not isinstance(value, kind):
            raise self._not_batch(value)
        return value

    def _failure(self, error: openai.OpenAIError) -> UserError:
        if isinstance(error, openai.APIStatusError) and error.status_code in NO_SUCH_PATH:
            return self._not_batch(f"status {error.status_code}")
        return UserError(str(describe(error, self._endpoint)))

    def _not_batch(self, said: object) -> UserError:
        return UserError(
            f"The endpoint {self._endpoint.place} has no Batch API ({self._endpoint.redacted(str(said))}); "
            'set auto_interp.mode = "direct".'
        )
