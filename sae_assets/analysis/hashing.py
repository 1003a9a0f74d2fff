"""The draw of contexts: a hash of (seed, context_idx) that orders contexts at random, the same on every machine."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def context_hash(context_idx: Int64[Tensor, "context"], seed: int) -> Int64[Tensor, "context"]:
    """A number in [0, 2**32) for each context, uniform over contexts.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014), of which the upper 32 bits are taken. Its products wrap
    around as 64-bit integers do.
    """
    state = context_idx + (seed % (1 << 31)) * _signed(0x9E3779B97F4A7C15) + _signed(0x9E3779B97F4A7C15)
    state = (state ^ _shift(state, 30)) * _signed(0xBF58476D1CE4E5B9)
    state = (state ^ _shift(state, 27)) * _signed(0x94D049BB133111EB)
    return _shift(state ^ _shift(state, 31), 32)


def _signed(constant: int) -> Tensor:
    return torch.tensor(constant - (1 << 64) if constant >= 1 << 63 else constant, dtype=torch.int64)


def _shift(value: Int64[Tensor, "..."], bits: int) -> Int64[Tensor, "..."]:
    """A logical shift to the right: torch's own keeps the sign."""
    return (value >> bits) & ((1 << (64 - bits)) - 1)
