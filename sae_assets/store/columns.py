"""A few numbers of all features of an analysis as arrays, for lists, sorts, filters and histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from sae_assets.settings.errors import UserError
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.queries import where
from sae_assets.store.set_documents import FeatureColumnsDocument, LogitColumnsDocument


@dataclass(frozen=True, eq=False)
class FeatureColumns:
    """Statistics of all features of one set."""

    set_id: str
    """The set: `features_id` of its analysis when it was read."""
    act_times: Int64[np.ndarray, "feature"]
    """Tokens on which the feature is above 0."""
    act_contexts: Int64[np.ndarray, "feature"]
    """Contexts on which it is above 0 at some token."""
    max_act: Float32[np.ndarray, "feature"]
    """Largest activation; 0 for a dead feature."""
    mean_act: Float64[np.ndarray, "feature"]
    """Mean of the values above 0; 0 for a dead feature."""
    density: Float64[np.ndarray, "feature"]
    """Share of the analysed tokens on which it is above 0."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.act_times)

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays take."""
        return sum(one.nbytes for one in (self.act_times, self.act_contexts, self.max_act, self.mean_act, self.density))


@dataclass(frozen=True, eq=False)
class LogitColumns:
    """The most promoted output tokens of all features of one set."""

    set_id: str
    """The set: `logits_id` of its analysis when it was read."""
    top_tokens: Int32[np.ndarray, "feature k"]
    """Ids of the tokens that the feature promotes most, most first; at most `packing.TOP_TOKENS`."""
    maximum: Float32[np.ndarray, "feature"]
    """Logit of the most promoted one."""
    texts: dict[int, str]
    """The text of each of these tokens by its id."""

    @property
    def n_bytes(self) -> int:
        """Memory that the arrays and, about, the texts take."""
        return self.top_tokens.nbytes + self.maximum.nbytes + 100 * len(self.texts)


@readable
def read_feature_columns(store: Store, analysis: AnalysisDocument) -> FeatureColumns:
    """The columns of the features that count, also where these were replaced since `analysis` was read.

    Raises:
        UserError: an earlier version of the package published the analysis, without columns.
    """
    columns = _feature_columns(store, analysis) or _feature_columns(store, _read_again(store, analysis))
    if columns is None:
        raise _missing(analysis)
    return columns


@readable
def read_logit_columns(store: Store, analysis: AnalysisDocument) -> LogitColumns | None:
    """The columns of the logits that count; None where the analysis has none.

    Raises:
        UserError: an earlier version of the package published the logits, without columns.
    """
    if analysis.logits_id is None:
        return None
    columns = _logit_columns(store, analysis)
    if columns is None:
        analysis = _read_again(store, analysis)
        columns = _logit_columns(store, analysis)
    if columns is None and analysis.logits_id is not None:
        raise _missing(analysis)
    return columns


def _read_again(store: Store, analysis: AnalysisDocument) -> AnalysisDocument:
    """The analysis as it is now: its set may have been replaced, and deleted, since it was read."""
    stored = store["analyses"].find_one(where(_id=analysis.id).filter)
    return analysis if stored is None else AnalysisDocument.of(stored)


def _missing(analysis: AnalysisDocument) -> UserError:
    return UserError(f"{analysis.id!r} was published by an earlier version of sae_assets; run it again.")


def _feature_columns(store: Store, analysis: AnalysisDocument) -> FeatureColumns | None:
    found = store["feature_columns"].find(where(analysis=analysis.features_id).filter)
    blocks = sorted(map(FeatureColumnsDocument.of, found), key=lambda block: block.first)
    if not blocks or sum(block.n_features for block in blocks) != analysis.d_sae:
        return None
    act_times = _joined([block.act_times for block in blocks], "<i8")
    return FeatureColumns(
        set_id=analysis.features_id or "",
        act_times=act_times,
        act_contexts=_joined([block.act_contexts for block in blocks], "<i8"),
        max_act=_joined([block.max_act for block in blocks], "<f4"),
        mean_act=_joined([block.mean_act for block in blocks], "<f8"),
        density=act_times / max(analysis.n_analyzed_tokens, 1),
    )


def _logit_columns(store: Store, analysis: AnalysisDocument) -> LogitColumns | None:
    found = store["logit_columns"].find(where(table=analysis.logits_id).filter)
    blocks = sorted(map(LogitColumnsDocument.of, found), key=lambda block: block.first)
    if not blocks or sum(block.n_features for block in blocks) != analysis.d_sae:
        return None
    texts: dict[int, str] = {}
    for block in blocks:
        texts |= zip(np.frombuffer(block.token_ids, "<i4").tolist(), block.texts, strict=True)
    return LogitColumns(
        set_id=analysis.logits_id or "",
        top_tokens=_joined([block.top_tokens for block in blocks], "<i4").reshape(analysis.d_sae, blocks[0].k),
        maximum=_joined([block.maximum for block in blocks], "<f4"),
        texts=texts,
    )


def _joined(blocks: list[bytes], dtype: str) -> np.ndarray:
    return np.frombuffer(b"".join(blocks), dtype)
