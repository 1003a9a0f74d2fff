"""Questions on their way into batches: they are written into a file, which is sent when it is full."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, Any

from sae_assets.interpretation.batch.endpoint import COMPLETIONS, BatchEndpoint
from sae_assets.interpretation.batch.under_way import UnderWay

MOST_QUESTIONS = 50_000
"""Requests that OpenAI accepts in a batch."""
MOST_BYTES = 200_000_000
"""Bytes that OpenAI accepts in the file of a batch."""

log = logging.getLogger(__name__)


class Outbox:
    """The questions that go with the next batch. They lie on disk, so memory does not grow with their number."""

    def __init__(self, endpoint: BatchEndpoint, under_way: UnderWay, is_answered: Callable[[str], bool]) -> None:
        """An empty one.

        Args:
            is_answered: whether the answer to a key has come in the meantime, to another run.
        """
        self.most_questions, self.most_bytes = MOST_QUESTIONS, MOST_BYTES
        self._endpoint, self._under_way, self._is_answered = endpoint, under_way, is_answered
        self._keys: dict[str, None] = {}
        self._file: IO[bytes] = TemporaryFile()  # noqa: SIM115

    def close(self) -> None:
        """Drops what was not sent."""
        self._file.close()

    def add(self, key: str, body: Mapping[str, Any]) -> None:
        """Takes a question, once; a file that is full without it is sent before.

        Args:
            key: the key of its answer, by which the batch names it.
            body: of the request, as it would be sent directly.
        """
        if key in self._keys:
            return
        request = {"custom_id": key, "method": "POST", "url": COMPLETIONS, "body": body}
        line = json.dumps(request).encode() + b"\n"
        if len(self._keys) >= self.most_questions or self._file.tell() + len(line) > self.most_bytes:
            self.send()
        self._keys[key] = None
        self._file.write(line)

    def send(self) -> None:
        """Sends what is there, less what other runs have sent by now; after a kill at any moment no later run does.

        Raises:
            UserError: the endpoint has no Batch API, or does not accept the batch.
        """
        if not self._keys:
            return
        with self._under_way.sending(), self._unasked() as (keys, file):
            if keys:
                input_file = self._endpoint.upload(file)
                self._under_way.enter(input_file, keys)
                batch = self._endpoint.begin(input_file)
                self._under_way.name(input_file, batch)
                log.info("Sent the batch %s (prompts: %s).", batch, f"{len(keys):,}")
        self._keys.clear()
        self._file.seek(0)
        self._file.truncate()

    @contextmanager
    def _unasked(self) -> Iterator[tuple[list[str], IO[bytes]]]:
        keys = []
        self._file.seek(0)
        with TemporaryFile() as file:
            for key, line in zip(self._keys, self._file, strict=True):
                # In this order, as answers are in the cache before their questions are no longer under way.
                if self._under_way.file_of(key) is None and not self._is_answered(key):
                    keys.append(key)
                    file.write(line)
            yield keys, file
