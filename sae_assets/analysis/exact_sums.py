"""Sums of float32 values that do not depend on the order of adding.

A float32 is an integer mantissa of 24 bits times a power of two. Mantissas are added as integers, apart for every
octave, and their squares as two halves, so every sum is exact until it is read: 2**39 values fit before an overflow.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from sae_assets.analysis.magnitude import FIRST_OCTAVE, LAST_OCTAVE

N_OCTAVES = LAST_OCTAVE - FIRST_OCTAVE
HALF = 24
"""Bits of the lower half of a squared mantissa."""


class ExactSums(NamedTuple):
    """Per feature, the sum of values and of their squares, as integers by octave."""

    mantissas: Int64[Tensor, "feature octave"]
    """Sum of the 24-bit mantissas of the values in each octave."""
    squares_low: Int64[Tensor, "feature octave"]
    """Sum of the lower 24 bits of the squared mantissas."""
    squares_high: Int64[Tensor, "feature octave"]
    """Sum of the upper 24 bits of the squared mantissas."""

    @staticmethod
    def zeros(n_features: int, device: torch.device | str = "cpu") -> ExactSums:
        """The sums over no values."""
        return ExactSums(*(torch.zeros(n_features, N_OCTAVES, dtype=torch.int64, device=device) for _ in range(3)))

    def add_(self, feature: Int64[Tensor, "value"], values: Float32[Tensor, "value"]) -> None:
        """Adds each value to its feature's sums, in place. Values lie in (0, 2**24).

        What a value has below 2**-47 is cut off, which is the same whatever the order.
        """
        bits = values.contiguous().view(torch.int32)
        octave = (bits >> 23).long() - (127 + FIRST_OCTAVE)
        mantissa = ((bits & 0x7FFFFF).long() | 0x800000) >> (-octave).clamp_(0, 62)
        octave.clamp_(min=0)
        square = mantissa * mantissa
        cell = feature * N_OCTAVES + octave
        self.mantissas.view(-1).index_add_(0, cell, mantissa)
        self.squares_low.view(-1).index_add_(0, cell, square & ((1 << HALF) - 1))
        self.squares_high.view(-1).index_add_(0, cell, square >> HALF)

    def merge(self, other: ExactSums) -> ExactSums:
        """The sums over both parts' values; exact, associative and commutative."""
        return ExactSums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def total(self) -> Float64[Tensor, "feature"]:
        """Sum of the values, rounded once an octave."""
        return (self.mantissas.double() * _octave_scale(self.mantissas, 1)).sum(1)

    def total_of_squares(self) -> Float64[Tensor, "feature"]:
        """Sum of the squared values, rounded once an octave."""
        squares = self.squares_high.double() * (1 << HALF) + self.squares_low.double()
        return (squares * _octave_scale(self.mantissas, 2)).sum(1)


def _octave_scale(like: Tensor, power: int) -> Float64[Tensor, "octave"]:
    exponents = torch.arange(FIRST_OCTAVE, LAST_OCTAVE, dtype=torch.float64, device=like.device) - 23
    return torch.exp2(power * exponents)
