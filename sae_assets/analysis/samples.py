"""The sample contexts of features: which contexts, how strongly, and on which tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from jaxtyping import Float32, Int32, Int64
from torch import Tensor

NO_CONTEXT = -1
"""The `context_idx` of a sample that does not exist, because a feature has fewer contexts than were asked for."""


class ActiveTokens(NamedTuple):
    """The tokens of one sample on which the feature is active."""

    positions: Int32[Tensor, "token"]
    """Positions in the context, ascending."""
    values: Float32[Tensor, "token"]
    """Activation at each of these positions, above 0."""


@dataclass(frozen=True)
class FeatureSamples:
    """One subsample of every feature, `n_samples` contexts each; what is active is kept ragged, never as dense rows."""

    context_idx: Int64[Tensor, "feature sample"]
    """Which context; -1 where there are fewer than asked for."""
    peak: Float32[Tensor, "feature sample"]
    """Largest activation in the context; 0 where there is none."""
    start: Int32[Tensor, "feature sample"]
    """First position of the window that is kept."""
    stop: Int32[Tensor, "feature sample"]
    """Position after the window's last; the context's length where no `max_length` is set."""
    offsets: Int64[Tensor, "feature*sample+1"]
    """Where each sample's active tokens begin in `positions` and `values`, samples in row-major order."""
    positions: Int32[Tensor, "active"]
    """Positions of all active tokens, ascending within a sample."""
    values: Float32[Tensor, "active"]
    """Activations of all active tokens."""

    @property
    def n_samples(self) -> int:
        """Samples that were asked for, for each feature."""
        return self.context_idx.shape[1]

    def active(self, feature: int, sample: int) -> ActiveTokens:
        """The active tokens of one sample, within its window."""
        row = feature * self.n_samples + sample
        kept = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        return ActiveTokens(self.positions[kept], self.values[kept])

    def of_features(self, start: int, stop: int) -> FeatureSamples:
        """The same subsample of the features from `start` up to `stop`."""
        rows = slice(start * self.n_samples, stop * self.n_samples + 1)
        offsets = self.offsets[rows]
        kept = slice(int(offsets[0]), int(offsets[-1]))
        return FeatureSamples(
            self.context_idx[start:stop],
            self.peak[start:stop],
            self.start[start:stop],
            self.stop[start:stop],
            offsets - offsets[0],
            self.positions[kept],
            self.values[kept],
        )
