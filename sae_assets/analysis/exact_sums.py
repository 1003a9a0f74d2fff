"""Sums of float32 values that do not depend on the order of adding.

A float32 is an integer mantissa of 24 bits times a power of two. Mantissas are added as integers, apart for every
octave, and their squares as two halves, so every sum is exact until it is read: 2**39 values fit before an overflow.
"""

from __future__ import annotations

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from sae_assets.analysis.bin_table import BinTable
from sae_assets.analysis.magnitude import FIRST_OCTAVE, LAST_OCTAVE

N_OCTAVES = LAST_OCTAVE - FIRST_OCTAVE
HALF = 24
"""Bits of the lower half of a squared mantissa."""


class ExactSums:
    """Per feature, the sum of values and of their squares, as integers by octave."""

    def __init__(self, n_features: int, device: torch.device | str = "cpu"):
        """The sums over no values."""
        self.n_features = n_features
        self.mantissas = BinTable(N_OCTAVES, n_features, device)
        """Sum of the 24-bit mantissas of the values in each octave."""
        self.squares_low = BinTable(N_OCTAVES, n_features, device)
        """Sum of the lower 24 bits of the squared mantissas."""
        self.squares_high = BinTable(N_OCTAVES, n_features, device)
        """Sum of the upper 24 bits of the squared mantissas."""

    def add(self, feature: Int64[Tensor, "value"], values: Float32[Tensor, "value"]) -> None:
        """Adds each value to its feature's sums. Values lie in (0, 2**24).

        What a value has below 2**-47 is cut off, which is the same whatever the order.
        """
        bits = values.contiguous().view(torch.int32)
        octave = (bits >> 23).long() - (127 + FIRST_OCTAVE)
        mantissa = ((bits & 0x7FFFFF).long() | 0x800000) >> (-octave).clamp_(0, 62)
        square = mantissa * mantissa
        cell = octave.clamp_(min=0).mul_(self.n_features).add_(feature)
        self.mantissas.add(cell, mantissa)
        self.squares_low.add(cell, square & ((1 << HALF) - 1))
        self.squares_high.add(cell, square >> HALF)

    def absorb(self, other: ExactSums) -> None:
        """Adds the sums over another part's values; exact, whatever the order."""
        self.mantissas.absorb(other.mantissas)
        self.squares_low.absorb(other.squares_low)
        self.squares_high.absorb(other.squares_high)

    def total(self) -> Float64[Tensor, "feature"]:
        """Sum of the values, rounded once an octave."""
        return _sum_of_octaves(self.mantissas, 1)

    def total_of_squares(self) -> Float64[Tensor, "feature"]:
        """Sum of the squared values, rounded twice an octave."""
        return _sum_of_octaves(self.squares_high, 2) * (1 << HALF) + _sum_of_octaves(self.squares_low, 2)


def _sum_of_octaves(table: BinTable, power: int) -> Float64[Tensor, "feature"]:
    total = torch.zeros_like(table.totals[0], dtype=torch.float64)
    for octave, mantissas in enumerate(table.totals, start=FIRST_OCTAVE):
        total += mantissas.double() * 2.0 ** (power * (octave - 23))
    return total
