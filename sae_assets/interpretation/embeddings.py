"""Turning texts into vectors by an embedding model behind any OpenAI-compatible endpoint."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import numpy as np

from sae_assets.interpretation.embedding_answers import EmbeddedPart, Vectors, read_answer
from sae_assets.interpretation.records import Usage
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.settings.errors import UnreachableError, UserError

if TYPE_CHECKING:
    from sae_assets.interpretation.embedding_endpoint import EmbeddingEndpoint

BATCH = 256
"""Most texts that are sent at once."""


class Embedded(NamedTuple):
    """Texts as vectors."""

    vectors: Vectors
    """What each text means, of length 1; zeros for a text that was refused."""
    usage: Usage
    """What they took; nothing for a model on this machine."""


class EmbeddingError(UnreachableError):
    """The endpoint gave no vectors. Its text is a sentence that may be shown, as that of `RefusedError`."""


class RefusedError(UserError):
    """The endpoint does not take these texts, or not so many at once."""


class Embedder:
    """An embedding model at an endpoint, for any number of threads. What talks to it is loaded when first asked."""

    def __init__(self, cfg: EmbeddingConfig, *, timeout: float = 60.0, first_wait: float = 1.0) -> None:
        """Connects to nothing yet.

        Args:
            timeout: seconds to wait for an answer.
            first_wait: upper bound in seconds of the first wait before a request is sent again.

        Raises:
            UserError: no model or endpoint is configured, or its address or key cannot be used.
        """
        self._key = _checked(cfg)
        self._cfg, self._timeout, self._first_wait = cfg, timeout, first_wait
        self._opening = threading.Lock()
        self._endpoint: EmbeddingEndpoint | None = None
        self._is_closed = False
        self._n_dimensions = cfg.dimensions

    def __repr__(self) -> str:
        return f"Embedder({self._cfg.model!r})"

    def close(self) -> None:
        """Ends waits for a next attempt and closes the connections."""
        with self._opening:
            self._is_closed = True
            if self._endpoint is not None:
                self._endpoint.close()

    def id_of(self, text: str, n_dimensions: int) -> str:
        """A hash of all that decides a vector of this many dimensions: the model and the text."""
        decisive = f"{self._cfg.model}\0{n_dimensions}\0{text}"
        return hashlib.blake2b(decisive.encode(), digest_size=16).hexdigest()

    def embed(self, texts: Sequence[str], *, is_urgent: bool = False) -> Vectors:
        """What each text means, as a vector of length 1; zeros for a text that the endpoint refuses.

        Args:
            is_urgent: somebody waits for it, so that passing failures are retried for seconds only.

        Raises:
            EmbeddingError: the endpoint gave no vectors.
            RefusedError: it refused each text of a batch.
        """
        vectors = np.zeros((len(texts), self._n_dimensions or 0), np.float32)
        for part in self.parts(texts, is_urgent=is_urgent):
            if not vectors.shape[-1]:
                vectors = np.zeros((len(texts), part.vectors.shape[-1]), np.float32)
            vectors[part.where] = part.vectors
        return vectors

    def parts(self, texts: Sequence[str], *, is_urgent: bool = False) -> Iterator[EmbeddedPart]:
        """The vectors as they come, in no part those of a text that the endpoint refuses; raises what `embed` does."""
        for first in range(0, len(texts), BATCH):
            yield from self._batch(texts, slice(first, min(first + BATCH, len(texts))), is_urgent)

    def _batch(self, texts: Sequence[str], batch: slice, is_urgent: bool) -> Iterator[EmbeddedPart]:
        """The parts of a batch; halves of one that is refused are sent alone, down to the text that is to blame."""
        endpoint = self._opened()
        is_answered = False
        refusal: RefusedError | None = None
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                body = endpoint.ask(texts[part], is_urgent=is_urgent)
            except RefusedError as error:
                refusal = error
                middle = (part.start + part.stop) // 2
                if middle > part.start:
                    parts += [slice(middle, part.stop), slice(part.start, middle)]
                continue
            yield self._read(body, part, endpoint)
            is_answered = True
        if refusal is not None and not is_answered:
            raise refusal

    def _read(self, body: str, part: slice, endpoint: EmbeddingEndpoint) -> EmbeddedPart:
        answer = read_answer(body, part)
        if answer is None:
            raise EmbeddingError(
                f"What answers at {endpoint.place} does not speak the embeddings protocol; "
                "check SAE_ASSETS_EMBEDDING_BASE_URL (it often ends in /v1) and SAE_ASSETS_EMBEDDING_MODEL."
            )
        n_dimensions = answer.vectors.shape[-1]
        self._n_dimensions = self._n_dimensions or n_dimensions
        if n_dimensions != self._n_dimensions:
            raise EmbeddingError(
                f"The embedding model {self._cfg.model!r} gave {n_dimensions} dimensions, not "
                f"{self._n_dimensions}; set SAE_ASSETS_EMBEDDING_DIMENSIONS to what it can give, and start again."
            )
        return answer

    def _opened(self) -> EmbeddingEndpoint:
        with self._opening:
            if self._is_closed:
                raise EmbeddingError("The work was ended before the endpoint answered.")
            if self._endpoint is None:
                # Takes half a second and 50 MB, which nobody pays who does not search by meaning.
                from sae_assets.interpretation.embedding_endpoint import EmbeddingEndpoint

                self._endpoint = EmbeddingEndpoint(
                    self._cfg, self._key, timeout=self._timeout, first_wait=self._first_wait
                )
            return self._endpoint


def _checked(cfg: EmbeddingConfig) -> str | None:
    """The key, where there is one and all settings can be used."""
    if cfg.model is None:
        raise UserError("No embedding model is configured; set SAE_ASSETS_EMBEDDING_MODEL.")
    if cfg.api_key is None and cfg.base_url is None:
        raise UserError(
            f"The embedding model {cfg.model!r} has no endpoint; set OPENAI_API_KEY, or SAE_ASSETS_EMBEDDING_BASE_URL "
            "for another OpenAI-compatible endpoint."
        )
    if cfg.base_url is not None and not _is_address(cfg.base_url):
        raise UserError(
            "SAE_ASSETS_EMBEDDING_BASE_URL (or OPENAI_BASE_URL) is not an address; give one like http://host:port/v1."
        )
    key = cfg.api_key.get_secret_value().strip() if cfg.api_key else None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UserError("The API key of the embeddings has characters that no key has; set OPENAI_API_KEY again.")
    return key


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
