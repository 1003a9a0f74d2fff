"""Search by meaning: how near each explanation is to what a person typed, by vectors of an embedding model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float16, Float32, Float64

from sae_assets.interpretation.embeddings import BATCH, Embedder
from sae_assets.settings.errors import UserError
from sae_assets.store.connection import Store
from sae_assets.store.embeddings import save_vectors, stored_vectors
from sae_assets.web.bounded_cache import BoundedCache
from sae_assets.web.text_vectors import TextVectors

MOST_BYTES = 256 << 20
"""Memory of the vectors of all analyses that are held."""
QUERIES = 256
"""Searches whose vectors are held."""
STORED_AT_A_TIME = 2000
PATIENCE_S = 1.0
"""A search waits so long for explanations that it is the first to find missing."""
PAUSE_S = 30.0
"""After a failure, so long no explanations are embedded."""

VectorsByText = dict[str, Float16[np.ndarray, "dimension"]]


class Meanings(NamedTuple):
    """How near the explanations are to what was searched for."""

    cosines: Float64[np.ndarray, "feature"]
    """For each feature; NaN where there is no explanation, or none that is embedded yet."""
    n_pending: int
    """Explanations that are not embedded yet, or not since they were edited."""
    problem: str | None
    """Why they are not, in a sentence, where embedding them failed."""


class _Held:
    """The vectors of an analysis, and how far embedding them is."""

    def __init__(self, vectors: TextVectors):
        self.vectors = vectors
        self.is_filling = False
        self.problem: str | None = None
        self.resumes_at = 0.0

    @property
    def n_bytes(self) -> int:
        return self.vectors.n_bytes


class MeaningSearch:
    """Searches explanations by meaning. They are embedded in the background when an analysis is first searched."""

    def __init__(self, store: Store, embedder: Embedder, *, max_bytes: int = MOST_BYTES, pause: float = PAUSE_S):
        """Embeds nothing yet.

        Args:
            max_bytes: bounds the vectors in memory; the analysis searched last is held whatever it takes.
            pause: seconds after a failure in which explanations are not embedded.
        """
        self._pause = pause
        self._store = store
        self._embedder = embedder
        self._held: BoundedCache[_Held] = BoundedCache(max_bytes)
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._vector_of = lru_cache(QUERIES)(self._embedded)

    def rank(self, analysis: str, texts: Sequence[str], query: str) -> Meanings:
        """How near the explanations are to the query, as far as they are embedded.

        Args:
            analysis: id of the analysis, `series/name/analysis`.
            texts: its explanations by feature; empty where there is none.

        Raises:
            EmbeddingError: the query cannot be embedded; the sentence says why.
            RefusedError: the endpoint does not take the query.
        """
        wanted = self._vector_of(" ".join(query.split()))
        texts = list(texts)  # others may change it meanwhile
        held = self._held.get(
            (analysis, len(texts), wanted.size), lambda: _Held(TextVectors(texts, n_dimensions=wanted.size))
        )
        missing = held.vectors.missing(texts)
        if missing and self._fills(held, texts, missing):
            missing = held.vectors.missing(texts)
        return Meanings(held.vectors.cosines(wanted), len(missing), held.problem if missing else None)

    def close(self) -> None:
        """Ends what goes on in the background."""
        self._closing.set()
        self._embedder.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _embedded(self, query: str) -> Float32[np.ndarray, "dimension"]:
        return self._embedder.embed([query], is_urgent=True)[0]

    def _fills(self, held: _Held, texts: list[str], missing: list[int]) -> bool:
        """Embeds what is missing and waits a moment for it; False where that goes on already or has just failed."""
        with self._starting:
            if held.is_filling or time.monotonic() < held.resumes_at:
                return False
            held.is_filling = True
            # A daemon, so that a request on its way does not keep the process from ending.
            thread = threading.Thread(target=self._fill, args=(held, texts, missing), daemon=True)
            thread.start()
            self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.join(PATIENCE_S)
        return True

    def _fill(self, held: _Held, texts: list[str], missing: list[int]) -> None:
        features_of: dict[str, list[int]] = {}
        for feature in missing:
            features_of.setdefault(texts[feature], []).append(feature)
        held.problem = None
        try:
            for vectors in self._vectors_of(list(features_of), held.vectors.n_dimensions):
                features = [feature for text in vectors for feature in features_of[text]]
                named = [texts[feature] for feature in features]
                held.vectors.put(features, named, np.stack([vectors[text] for text in named]))
        except UserError as error:
            held.problem, held.resumes_at = str(error), time.monotonic() + self._pause
        finally:
            held.is_filling = False

    def _vectors_of(self, texts: list[str], n_dimensions: int) -> Iterator[VectorsByText]:
        """The vectors of the texts, some at a time: first those of the store, then new ones, which it gets."""
        ids = {text: self._embedder.id_of(text, n_dimensions) for text in texts}
        new: list[str] = []
        for part in _parts(texts, STORED_AT_A_TIME):
            stored = stored_vectors(self._store, [ids[text] for text in part])
            new += [text for text in part if ids[text] not in stored]
            if stored:
                yield {text: stored[ids[text]] for text in part if ids[text] in stored}
        for part in _parts(new, BATCH):
            if self._closing.is_set():
                return
            vectors = dict(zip(part, self._embedder.embed(part).astype(np.float16), strict=True))
            # Zeros stand for a text that was refused; another day, or another endpoint, may take it.
            save_vectors(self._store, {ids[text]: vector for text, vector in vectors.items() if vector.any()})
            yield vectors


def _parts(texts: list[str], size: int) -> Iterator[list[str]]:
    return (texts[first : first + size] for first in range(0, len(texts), size))
