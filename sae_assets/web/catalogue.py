"""What the web process holds of each analysis in memory: a few columns and the explanations of all features."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32

from sae_assets.store.columns import FeatureColumns, LogitColumns, read_feature_columns, read_logit_columns
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import each_explanation, explanations_written_since
from sae_assets.store.kept_documents import ExplanationDocument, now_ms
from sae_assets.web.bounded_cache import BoundedCache
from sae_assets.web.explained import ExplainedFeatures

MOST_BYTES = 128 << 20
"""Memory of the columns, and again of the explanations, of all analyses that are held."""
REFRESH_S = 2.0
"""Other processes' explanations are looked for after this time."""
PATIENCE_S = 0.05
"""A request waits so long for that and then goes on with what is known."""
OVERLAP_MS = 5 * 60 * 1000
"""Explanations are read again from so long before the last look, as clocks differ."""
PREPARED_AFTER_S = 0.3
"""Explanations of all features are read so long after the list that did not need them, which is answered first."""
REST = 20
"""Looking took so many times less than the pause after it, at least."""


@dataclass(frozen=True, eq=False)
class PromotedTokens:
    """The output tokens that features promote most, ready to be searched."""

    place: Int32[np.ndarray, "k feature"]
    """For each feature, most promoted first: where in `texts` the token is."""
    texts: list[str]
    """The tokens."""
    folded: list[str]
    """The same without case."""
    maximum: Float32[np.ndarray, "feature"]
    """Logit of the most promoted one."""

    @staticmethod
    def of(columns: LogitColumns) -> PromotedTokens:
        """The same by place."""
        ids = np.array(sorted(columns.texts), np.int32)
        texts = [columns.texts[token_id] for token_id in ids.tolist()]
        place = np.searchsorted(ids, columns.top_tokens.T).astype(np.int32)
        folded = [text.casefold() for text in texts]
        return PromotedTokens(np.ascontiguousarray(place), texts, folded, columns.maximum)

    def of_feature(self, index: int) -> list[str]:
        """The tokens of one feature, most promoted first."""
        return [self.texts[place] for place in self.place[:, index].tolist()]


@dataclass(frozen=True, eq=False)
class Columns:
    """A few numbers of all features of an analysis."""

    features: FeatureColumns
    """Statistics."""
    log_density: Float64[np.ndarray, "feature"]
    """log10 of the density; NaN for a dead feature."""
    tokens: PromotedTokens | None
    """Output tokens; None where no logits are attributed."""

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        tokens = 0 if self.tokens is None else self.tokens.place.nbytes + 250 * len(self.tokens.texts)
        return self.features.n_bytes + self.log_density.nbytes + tokens

    def top_tokens(self, index: int) -> list[str]:
        """The output tokens that a feature promotes most."""
        return [] if self.tokens is None else self.tokens.of_feature(index)


class _HeldExplanations:
    """Explanations, and when to look for new ones."""

    def __init__(self, explained: ExplainedFeatures, seen_until_ms: int):
        self.explained = explained
        self.seen_until_ms = seen_until_ms
        self.looked_at = time.monotonic()
        self.took_s = 0.0
        self.looking: Future[None] | None = None

    @property
    def n_bytes(self) -> int:
        return self.explained.n_bytes


class Catalogue:
    """Columns and explanations of the analyses used last."""

    def __init__(self, store: Store, max_bytes: int = MOST_BYTES):
        """`max_bytes` bounds the columns, and again the explanations."""
        self._store = store
        self._columns: BoundedCache[Columns] = BoundedCache(max_bytes)
        self._explained: BoundedCache[_HeldExplanations] = BoundedCache(max_bytes)
        self._being_prepared: set[tuple[str, int]] = set()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="explanations")

    def columns(self, analysis: AnalysisDocument) -> Columns:
        """The columns of a published analysis.

        Raises:
            UserError: an earlier version of the package published it, without columns.
        """
        return self._columns.get((analysis.features_id, analysis.logits_id), lambda: self._read_columns(analysis))

    def explained(self, analysis: AnalysisDocument) -> ExplainedFeatures:
        """Its explanations: those of this process at once, those of others after some seconds."""
        held = self._explained.get(_key(analysis), lambda: self._read_explanations(analysis))
        if time.monotonic() - held.looked_at > max(REFRESH_S, REST * held.took_s):
            held.looked_at = time.monotonic()
            held.looking = self._threads.submit(self._refresh, analysis, held)
        if held.looking is not None:
            wait([held.looking], PATIENCE_S)
            held.looking = None
        return held.explained

    def prepare_explained(self, analysis: AnalysisDocument) -> None:
        """Begins to read its explanations, unless they are there or being read."""
        key = _key(analysis)
        if key not in self._explained and key not in self._being_prepared:
            self._being_prepared.add(key)
            self._threads.submit(self._prepare, analysis)

    def wrote(self, analysis: AnalysisDocument, explanations: Iterable[ExplanationDocument]) -> None:
        """Takes in what this process has just written."""
        if _key(analysis) in self._explained:
            self.explained(analysis).put(explanations)

    def close(self) -> None:
        """Looks for nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _read_columns(self, analysis: AnalysisDocument) -> Columns:
        features = read_feature_columns(self._store, analysis)
        logits = read_logit_columns(self._store, analysis)
        is_alive = features.act_times > 0
        log_density = np.full(features.d_sae, np.nan)
        log_density[is_alive] = np.log10(features.density[is_alive])
        return Columns(features, log_density, None if logits is None else PromotedTokens.of(logits))

    def _prepare(self, analysis: AnalysisDocument) -> None:
        time.sleep(PREPARED_AFTER_S)
        try:
            self._explained.get(_key(analysis), lambda: self._read_explanations(analysis))
        finally:
            self._being_prepared.discard(_key(analysis))

    def _read_explanations(self, analysis: AnalysisDocument) -> _HeldExplanations:
        began_ms = now_ms()
        explained = ExplainedFeatures(analysis.d_sae)
        explained.put(each_explanation(self._store, analysis.sae, analysis.name))
        gc.freeze()  # what stays need not be looked through at each full collection, for which requests would wait
        return _HeldExplanations(explained, began_ms)

    def _refresh(self, analysis: AnalysisDocument, held: _HeldExplanations) -> None:
        began, began_ms = time.monotonic(), now_ms()
        since_ms = max(held.seen_until_ms - OVERLAP_MS, 0)
        held.explained.put(explanations_written_since(self._store, analysis.sae, analysis.name, since_ms))
        held.took_s, held.seen_until_ms = time.monotonic() - began, began_ms


def _key(analysis: AnalysisDocument) -> tuple[str, int]:
    return analysis.id, analysis.d_sae
