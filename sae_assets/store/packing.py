"""From the arrays of an analysis to the bytes of its documents; `unpacking` and `columns` go the other way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.store.set_documents import (
    FEATURES_OF_A_BLOCK,
    FeatureColumnsDocument,
    LogitColumnsDocument,
    SubsampleDocument,
)
from sae_assets.store.unpacking import HISTOGRAM_BIN

TOP_TOKENS = 10
"""Most promoted tokens of a feature that its columns keep; more would be searched and shown in no list."""


def packed_subsamples(name: str, samples: FeatureSamples) -> Iterator[SubsampleDocument]:
    """The subsample of each feature in turn; samples that do not exist are left out."""
    exists = samples.context_idx.numpy() != NO_CONTEXT
    n_active = np.diff(samples.offsets.numpy()).reshape(exists.shape)
    ends = samples.offsets.numpy()[:: samples.n_samples]
    positions = samples.positions.numpy()
    is_short = int(samples.stop.max() if samples.stop.numel() else 0) <= 1 << 16
    positions = positions.astype("<u2" if is_short else "<u4")
    values = samples.values.numpy().astype("<f4", copy=False)
    columns = {
        "context_idx": samples.context_idx.numpy().astype("<i8", copy=False),
        "peak": samples.peak.numpy().astype("<f4", copy=False),
        "start": samples.start.numpy().astype("<i4", copy=False),
        "stop": samples.stop.numpy().astype("<i4", copy=False),
        "n_active": n_active.astype("<i4"),
    }
    for feature, kept in enumerate(exists):
        active = slice(ends[feature], ends[feature + 1])
        arrays = {field: column[feature][kept].tobytes() for field, column in columns.items()}
        yield SubsampleDocument(
            name=name, positions=positions[active].tobytes(), values=values[active].tobytes(), **arrays
        )


def packed_histogram(counts: Int64[Tensor, "bin"]) -> bytes:
    """The bins of a histogram that are not empty."""
    values = counts.numpy()
    (bins,) = values.nonzero()
    packed = np.empty(len(bins), HISTOGRAM_BIN)
    packed["bin"], packed["count"] = bins, values[bins]
    return packed.tobytes()


def packed_feature_columns(set_id: str, summaries: FeatureSummaries) -> Iterator[FeatureColumnsDocument]:
    """The statistics that lists are made of, in blocks of features."""
    for rows in _blocks(summaries.d_sae):
        yield FeatureColumnsDocument(
            analysis=set_id,
            first=rows.start,
            n_features=rows.stop - rows.start,
            act_times=_packed(summaries.act_times[rows], "<i8"),
            act_contexts=_packed(summaries.act_contexts[rows], "<i8"),
            max_act=_packed(summaries.max_feature_acts[rows], "<f4"),
            mean_act=_packed(summaries.mean_acts[rows], "<f8"),
        )


def packed_logit_columns(
    set_id: str, logits: FeatureLogits, token_text: Callable[[int], str]
) -> Iterator[LogitColumnsDocument]:
    """The most promoted tokens, in blocks of features."""
    for rows in _blocks(len(logits.mean)):
        top = logits.top_tokens[rows, :TOP_TOKENS]
        named = top.unique()
        yield LogitColumnsDocument(
            table=set_id,
            first=rows.start,
            n_features=rows.stop - rows.start,
            k=top.shape[1],
            top_tokens=_packed(top, "<i4"),
            maximum=_packed(logits.maximum[rows], "<f4"),
            token_ids=_packed(named, "<i4"),
            texts=[token_text(token) for token in named.tolist()],
        )


def _blocks(n_features: int) -> Iterator[slice]:
    for first in range(0, n_features, FEATURES_OF_A_BLOCK):
        yield slice(first, min(first + FEATURES_OF_A_BLOCK, n_features))


def _packed(column: Tensor, dtype: str) -> bytes:
    return column.numpy().astype(dtype, copy=False).tobytes()
