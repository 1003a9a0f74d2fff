"""Where features occur: pairs of a feature and a context it activates on, with the active tokens kept ragged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float32, Int32, Int64
from torch import Tensor


class ActiveValues(NamedTuple):
    """The activations above 0 of some contexts, in the order of their tokens."""

    context: Int64[Tensor, "active"]
    """Which of the contexts, ascending."""
    position: Int64[Tensor, "active"]
    """Position in the context, ascending within it."""
    feature: Int64[Tensor, "active"]
    """Which feature."""
    value: Float32[Tensor, "active"]
    """Its activation, above 0."""

    def peaks(self, n_contexts: int, n_features: int) -> Float32[Tensor, "context feature"]:
        """The largest activation of each feature in each context; 0 where it is silent."""
        peaks = self.value.new_zeros(n_contexts, n_features)
        peaks.view(-1).scatter_reduce_(0, self.context * n_features + self.feature, self.value, "amax")
        return peaks

    def take(self, is_taken: Bool[Tensor, "active"]) -> ActiveValues:
        """Some of them, in their order."""
        place = is_taken.nonzero().squeeze(1)
        return ActiveValues(*(column[place] for column in self))


class Occurrences(NamedTuple):
    """Pairs of a feature and a context on which it activates."""

    feature: Int64[Tensor, "pair"]
    """Which feature."""
    context_idx: Int64[Tensor, "pair"]
    """Which context."""
    peak: Float32[Tensor, "pair"]
    """The feature's largest activation in the context."""
    offsets: Int64[Tensor, "pair+1"]
    """Where each pair's active tokens begin in `positions` and `values`."""
    positions: Int32[Tensor, "active"]
    """Positions of the active tokens, ascending within a pair."""
    values: Float32[Tensor, "active"]
    """Activations of the active tokens."""

    @staticmethod
    def none(device: torch.device | str = "cpu") -> Occurrences:
        """No occurrences."""
        return Occurrences(
            torch.zeros(0, dtype=torch.int64, device=device),
            torch.zeros(0, dtype=torch.int64, device=device),
            torch.zeros(0, device=device),
            torch.zeros(1, dtype=torch.int64, device=device),
            torch.zeros(0, dtype=torch.int32, device=device),
            torch.zeros(0, device=device),
        )

    @staticmethod
    def of(active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> Occurrences:
        """The occurrences in some contexts, ordered by feature, then by the contexts' order."""
        key = active.feature * len(context_idx) + active.context
        key, order = torch.sort(key, stable=True)
        pair, pair_of_token, length = torch.unique_consecutive(key, return_inverse=True, return_counts=True)
        values = active.value[order]
        return Occurrences(
            feature=pair // max(len(context_idx), 1),
            context_idx=context_idx[pair % max(len(context_idx), 1)],
            peak=values.new_zeros(len(pair)).scatter_reduce_(0, pair_of_token, values, "amax"),
            offsets=_offsets(length),
            positions=active.position[order].int(),
            values=values,
        )

    @property
    def lengths(self) -> Int64[Tensor, "pair"]:
        """How many tokens are active in each pair."""
        return self.offsets[1:] - self.offsets[:-1]

    def to(self, device: torch.device) -> Occurrences:
        """The same pairs on a device."""
        return Occurrences(*(column.to(device) for column in self))

    def take(self, index: Int64[Tensor, "taken"]) -> Occurrences:
        """The pairs at these places, in this order."""
        length = self.lengths[index]
        offsets = _offsets(length)
        shift = torch.repeat_interleave(self.offsets[index] - offsets[:-1], length)
        token = torch.arange(len(shift), device=shift.device) + shift
        return Occurrences(
            self.feature[index],
            self.context_idx[index],
            self.peak[index],
            offsets,
            self.positions[token],
            self.values[token],
        )


def concatenate(parts: Sequence[Occurrences]) -> Occurrences:
    """All pairs of the parts, part after part."""
    return Occurrences(
        torch.cat([part.feature for part in parts]),
        torch.cat([part.context_idx for part in parts]),
        torch.cat([part.peak for part in parts]),
        _offsets(torch.cat([part.lengths for part in parts])),
        torch.cat([part.positions for part in parts]),
        torch.cat([part.values for part in parts]),
    )


def _offsets(length: Int64[Tensor, "pair"]) -> Int64[Tensor, "pair+1"]:
    return torch.cat([length.new_zeros(1), length.cumsum(0)])
