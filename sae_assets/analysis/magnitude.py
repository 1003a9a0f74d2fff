"""Fixed bins of activation size, cut from the bits of a float32, so that no rounding decides a value's bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64, Int64

if TYPE_CHECKING:
    from torch import Tensor

FIRST_OCTAVE = -24
"""Values below 2**-24 (6e-8) are counted in the first bin."""
LAST_OCTAVE = 24
"""Values of 2**24 (1.7e7) and above are counted in the last bin."""


@dataclass(frozen=True)
class MagnitudeBins:
    """Bins that divide every octave [2**e, 2**(e+1)) into equal parts."""

    log2_bins_per_octave: int
    """2: four bins an octave; 3: eight."""

    @property
    def n_bins(self) -> int:
        """Number of bins from 2**FIRST_OCTAVE to 2**LAST_OCTAVE."""
        return (LAST_OCTAVE - FIRST_OCTAVE) << self.log2_bins_per_octave

    @property
    def edges(self) -> Float64[np.ndarray, "bin+1"]:
        """The bins' borders; a value equal to a border belongs to the bin above it."""
        per_octave = 1 << self.log2_bins_per_octave
        octave, part = np.divmod(np.arange(self.n_bins + 1), per_octave)
        return np.exp2(octave + FIRST_OCTAVE) * (1 + part / per_octave)

    def of(self, values: Float32[Tensor, "value"]) -> Int64[Tensor, "value"]:
        """The bin of each value above 0: exponent and leading bits of the mantissa, read off the IEEE 754 format."""
        import torch  # here, as the edges are read where torch is not loaded

        leading_bits = values.contiguous().view(torch.int32) >> (23 - self.log2_bins_per_octave)
        first = (127 + FIRST_OCTAVE) << self.log2_bins_per_octave
        return (leading_bits - first).clamp_(0, self.n_bins - 1).long()


HISTOGRAM = MagnitudeBins(3)
"""Eight bins an octave: the histogram of a feature's active values."""
PEAKS = MagnitudeBins(2)
"""Four bins an octave: the bins of context peaks that magnitude bands are drawn from."""
