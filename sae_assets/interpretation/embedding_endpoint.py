"""The requests of the embeddings protocol, repeated on passing failures, and what its errors are called."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import openai
from tenacity.stop import stop_base, stop_before_delay

from sae_assets.interpretation.client import OPENAI_URL
from sae_assets.interpretation.embeddings import EmbeddingError, RefusedError
from sae_assets.interpretation.failures import Endpoint, describe
from sae_assets.interpretation.retries import retrying
from sae_assets.settings.embedding import EmbeddingConfig

TOO_MUCH = (400, 413, 422)
"""Statuses by which endpoints refuse a batch that is too large, and a text that is too long."""
URGENT_S = 5.0
"""Seconds after which an urgent request is not sent again."""


class EmbeddingEndpoint:
    """An open connection to an endpoint, for any number of threads."""

    def __init__(self, cfg: EmbeddingConfig, key: str | None, *, timeout: float, first_wait: float) -> None:
        """Connects to nothing yet."""
        self._endpoint = Endpoint(cfg.base_url or OPENAI_URL, cfg.model or "", key, None)
        self._options: dict[str, Any] = {"dimensions": cfg.dimensions} if cfg.dimensions else {}
        self._timeout = timeout
        self._openai = openai.OpenAI(api_key=key or "none", base_url=self._endpoint.url, max_retries=0)
        self._closing = threading.Event()
        self._has_answered = False
        self._patient = retrying(first_wait, self._closing, lambda: self._has_answered)
        self._urgent = self._patient.copy(stop=stop_before_delay(URGENT_S) | cast(stop_base, self._patient.stop))

    @property
    def place(self) -> str:
        """The address as it may be shown."""
        return self._endpoint.place

    def close(self) -> None:
        """Ends waits for a next attempt and closes the connections."""
        self._closing.set()
        self._openai.close()

    def ask(self, texts: Sequence[str], *, is_urgent: bool) -> str:
        """The body of the endpoint's answer.

        Raises:
            RefusedError: the endpoint does not take these texts, or not so many.
            EmbeddingError: it gave no answer.
        """
        try:
            answer = (self._urgent if is_urgent else self._patient)(self._send, list(texts), is_urgent)
        except openai.OpenAIError as error:
            raise self._described(error) from None
        self._has_answered = True
        return answer

    def _send(self, texts: list[str], is_urgent: bool) -> str:
        if self._closing.is_set():
            raise EmbeddingError("The work was ended before the endpoint answered.")
        timeout = min(self._timeout, 2 * URGENT_S) if is_urgent else self._timeout
        # The library would look at each number of its own kind of answer.
        answer = self._openai.embeddings.with_raw_response.create(
            model=self._endpoint.model,
            input=texts,
            encoding_format="float",
            timeout=openai.Timeout(timeout, connect=min(timeout, 2 * URGENT_S)),
            **self._options,
        )
        return answer.text

    def _described(self, error: openai.OpenAIError) -> EmbeddingError | RefusedError:
        """The error that says what happened, where, and which of these settings to look at."""
        place = self._endpoint.place
        if isinstance(error, openai.APITimeoutError):
            return EmbeddingError(f"The endpoint {place} did not embed the text in time; try again later.")
        if isinstance(error, openai.APIConnectionError):
            cause = self._endpoint.redacted(str(error.__cause__ or error)).rstrip(".")
            return EmbeddingError(
                f"The endpoint {place} cannot be reached ({cause}); check SAE_ASSETS_EMBEDDING_BASE_URL and "
                "that it runs."
            )
        if isinstance(error, openai.NotFoundError):
            return EmbeddingError(
                f"The endpoint {place} does not know the embedding model {self._endpoint.model!r} or the address is "
                "wrong (status 404); check SAE_ASSETS_EMBEDDING_MODEL and SAE_ASSETS_EMBEDDING_BASE_URL (it often "
                "ends in /v1)."
            )
        is_refused = isinstance(error, openai.APIStatusError) and error.status_code in TOO_MUCH
        return (RefusedError if is_refused else EmbeddingError)(str(describe(error, self._endpoint)))
