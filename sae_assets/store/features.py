"""What is known about one stored feature, as readers get it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from sae_assets.activations.context import Context
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.store.kept_documents import ExplanationDocument
from sae_assets.store.set_documents import FeatureDocument, LogitsDocument, NeighbourDocument, TokenLogitDocument
from sae_assets.store.unpacking import PackedSample, unpacked_histogram


@dataclass(frozen=True, eq=False)
class StoredSample:
    """A sample context of a feature."""

    context: Context
    """The context: text, tokens, and each token's characters."""
    peak: float
    """Largest activation in the context; 0 for a silent one."""
    start: int
    """First position of the window that is kept."""
    stop: int
    """Position after the window's last."""
    positions: Int32[np.ndarray, "active"]
    """Positions in the context of the active tokens of the window, ascending."""
    values: Float32[np.ndarray, "active"]
    """Activation at each of these."""

    @staticmethod
    def of(packed: PackedSample, context: Context) -> StoredSample:
        """The sample with its context."""
        return StoredSample(context, packed.peak, packed.start, packed.stop, packed.positions, packed.values)


@dataclass(frozen=True, eq=False)
class StoredLogits:
    """The output tokens that a feature promotes and suppresses."""

    variant: str
    """How logits were attributed: "norm" or "raw"."""
    top: tuple[TokenLogitDocument, ...]
    """The most promoted tokens, most first."""
    bottom: tuple[TokenLogitDocument, ...]
    """The most suppressed tokens, most first."""
    mean: float
    """Mean over all tokens."""
    std: float
    """Standard deviation over all tokens."""
    minimum: float
    """Smallest logit."""
    maximum: float
    """Largest logit."""
    histogram: Int64[np.ndarray, "bin"]
    """Logits of all tokens in equal bins from `minimum` to `maximum`."""

    @staticmethod
    def of(stored: LogitsDocument) -> StoredLogits:
        """Out of the document."""
        return StoredLogits(
            stored.variant,
            tuple(stored.top),
            tuple(stored.bottom),
            stored.mean,
            stored.std,
            stored.minimum,
            stored.maximum,
            np.frombuffer(stored.histogram, "<i8"),
        )


@dataclass(frozen=True, eq=False)
class StoredFeature:
    """A feature with all that the store knows about it."""

    index: int
    """Which feature."""
    statistics: FeatureDocument
    """Counts, sizes, norms and neighbours."""
    samples: dict[str, list[StoredSample]]
    """Sample contexts by subsample, strongest first."""
    logits: StoredLogits | None
    """Output tokens; None where no logits are attributed."""
    explanation: ExplanationDocument | None
    """The feature in words; None where nobody has explained it."""

    @property
    def histogram(self) -> Int64[np.ndarray, "bin"]:
        """Values above 0 by size, in all bins of `magnitude.HISTOGRAM`."""
        return unpacked_histogram(self.statistics.histogram, HISTOGRAM.n_bins)

    @property
    def neighbours(self) -> list[NeighbourDocument]:
        """The nearest other features by the cosine of their decoders, nearest first."""
        return self.statistics.neighbours

    @property
    def coactive(self) -> list[NeighbourDocument]:
        """The features most often active on the same tokens, most first."""
        return self.statistics.coactive
