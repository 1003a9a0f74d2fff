"""From the bytes of a feature's documents to arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from sae_assets.store.set_documents import SubsampleDocument

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


def unpacked_histogram(packed: bytes, n_bins: int) -> Int64[np.ndarray, "bin"]:
    """All bins of the histogram."""
    counts = np.zeros(n_bins, np.int64)
    filled = np.frombuffer(packed, HISTOGRAM_BIN)
    counts[filled["bin"]] = filled["count"]
    return counts
