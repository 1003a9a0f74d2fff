"""Between the arrays of an analysis and the bytes of its documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from sae_assets.activations.contexts import Context
from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples
from sae_assets.store.set_documents import ContextDocument, SubsampleDocument

HISTOGRAM_BIN = np.dtype([("bin", "<u2"), ("count", "<i8")])


@dataclass(frozen=True, eq=False)
class PackedSample:
    """One sample context of a feature, without the context."""

    context_idx: int
    """Which context of the source."""
    peak: float
    """Largest activation in the context."""
    start: int
    """First position of the window that is kept."""
    stop: int
    """Position after the window's last."""
    positions: Int32[np.ndarray, "active"]
    """Positions in the context of the active tokens, ascending."""
    values: Float32[np.ndarray, "active"]
    """Activation at each of these."""


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


def unpacked_samples(packed: SubsampleDocument) -> list[PackedSample]:
    """The samples of one feature."""
    values = np.frombuffer(packed.values, "<f4")
    width = 4 if len(packed.positions) == len(packed.values) else 2
    positions = np.frombuffer(packed.positions, f"<u{width}").astype(np.int32)
    ends = np.frombuffer(packed.n_active, "<i4").cumsum()[:-1]
    columns = (
        np.frombuffer(packed.context_idx, "<i8").tolist(),
        np.frombuffer(packed.peak, "<f4").tolist(),
        np.frombuffer(packed.start, "<i4").tolist(),
        np.frombuffer(packed.stop, "<i4").tolist(),
    )
    if not columns[0]:
        return []
    return [
        PackedSample(*sample)
        for sample in zip(*columns, np.split(positions, ends), np.split(values, ends), strict=True)
    ]


def packed_histogram(counts: Int64[Tensor, "bin"]) -> bytes:
    """The bins of a histogram that are not empty."""
    values = counts.numpy()
    (bins,) = values.nonzero()
    packed = np.empty(len(bins), HISTOGRAM_BIN)
    packed["bin"], packed["count"] = bins, values[bins]
    return packed.tobytes()


def unpacked_histogram(packed: bytes, n_bins: int) -> Int64[np.ndarray, "bin"]:
    """All bins of the histogram."""
    counts = np.zeros(n_bins, np.int64)
    filled = np.frombuffer(packed, HISTOGRAM_BIN)
    counts[filled["bin"]] = filled["count"]
    return counts


def packed_context(source: str, context: Context) -> ContextDocument:
    """A context as it is stored."""
    return ContextDocument(
        source=source,
        context_idx=context.context_idx,
        dataset=context.dataset,
        document_idx=context.document_idx,
        text=context.text,
        tokens=context.tokens.astype("<i4", copy=False).tobytes(),
        starts=context.starts.astype("<i4", copy=False).tobytes(),
        stops=context.stops.astype("<i4", copy=False).tobytes(),
        mask=context.mask.astype("u1", copy=False).tobytes(),
    )


def unpacked_context(packed: ContextDocument) -> Context:
    """The context as it was."""
    return Context(
        packed.context_idx,
        packed.dataset,
        packed.document_idx,
        packed.text,
        np.frombuffer(packed.tokens, "<i4"),
        np.frombuffer(packed.starts, "<i4"),
        np.frombuffer(packed.stops, "<i4"),
        np.frombuffer(packed.mask, "u1").astype(bool),
    )
