"""What is active in blocks of features, found without a second look at most of their zeros.

The columns of a block are divided into groups, the largest value of each group is taken in one pass, and only the
groups that can hold something active are looked at again. Values are compared by their bits, which are ordered as the
floats are where these are positive: vectors of integers are faster.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from sae_assets.dictionary.active_features import ActiveFeatures

LANES = 64
"""How far the members of a group lie apart: the maxima of as many groups are taken by vectors."""
ABOVE, LARGEST = 16, 32
"""Members of a group where values above a threshold are looked for, and at most where the k largest are."""
GROUPS_A_VALUE = 16
"""Groups for each of the k largest, below which their maxima say too little: groups are made smaller then."""
WIDTH = LARGEST * LANES
"""Columns that make up whole groups of any size, which are powers of two."""
BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
"""Integers of the width of each precision."""
LAST_FEATURE = (1 << 32) - 1


class FeatureBlock(NamedTuple):
    """Neighbouring features of some tokens, before the activation function."""

    features: slice
    """Which features."""
    hidden: Float[Tensor, "token feature"]
    """Their values, filled up with -inf to a multiple of `WIDTH`."""

    def scaled(self, factor: Float[Tensor, "feature"]) -> FeatureBlock:
        """The block with each feature multiplied by its factor, in place."""
        of_block = factor[self.features]
        self.hidden[:, : len(of_block)].mul_(of_block)
        return self


def above_in_blocks(blocks: Iterable[FeatureBlock], threshold: Float[Tensor, "feature"] | None) -> ActiveFeatures:
    """What lies above 0, or above its feature's threshold, which is not negative."""
    found = [_Groups.of(block, ABOVE).above_threshold(threshold) for block in blocks]
    if len(found) == 1:
        return found[0]
    together = ActiveFeatures(*(torch.cat(column) for column in zip(*found, strict=True)))
    order = torch.sort(together.token, stable=True).indices
    return ActiveFeatures(*(column[order] for column in together))


def largest_of_blocks(blocks: Iterable[FeatureBlock], k: int) -> ActiveFeatures:
    """The k largest features of each token where they are above 0; ties go to the smaller feature.

    Memory does not grow with the number of blocks.
    """
    best, dtype = None, torch.float32
    for block in blocks:
        groups, dtype = _Groups.of(block, _members_for(block, k)), block.hidden.dtype
        keys = _side_by_side(groups.above(_floor(groups, best, k)), len(block.hidden))
        keys = keys if best is None else torch.cat([best, keys], 1)
        best = keys.topk(min(k, keys.shape[1])).values
    assert best is not None  # an encoder has at least one block
    token, place = best.nonzero(as_tuple=True)
    key = best[token, place]
    return ActiveFeatures(token, LAST_FEATURE - (key & LAST_FEATURE), (key >> 32).to(BITS[dtype]).view(dtype))


def _members_for(block: FeatureBlock, k: int) -> int:
    members = LARGEST
    while members > 4 and block.hidden.shape[1] // members < GROUPS_A_VALUE * k:
        members //= 2
    return members


class _Groups(NamedTuple):
    """A block divided into groups."""

    block: FeatureBlock
    bits: Int[Tensor, "token part member lane"]
    """Bits of the values."""
    highest: Int[Tensor, "token part lane"]
    """Bits of the largest value of each group; not above 0 where no value is."""

    @staticmethod
    def of(block: FeatureBlock, members: int) -> _Groups:
        bits = block.hidden.view(BITS[block.hidden.dtype]).unflatten(1, (-1, members, LANES))
        return _Groups(block, bits, bits.amax(2))

    def above_threshold(self, threshold: Float[Tensor, "feature"] | None) -> ActiveFeatures:
        """The values above 0, or above their feature's threshold."""
        if threshold is None:
            return self.above(self.highest.new_zeros(len(self.highest)))
        of_block = threshold[self.block.features].to(self.block.hidden.dtype)
        of_block = torch.nn.functional.pad(of_block, (0, self.block.hidden.shape[1] - len(of_block)))
        bits = of_block.view(self.bits.dtype).view(self.bits.shape[1:])
        token, part, lane = (self.highest > bits.amin(1)).nonzero(as_tuple=True)
        return self._members(token, part, lane, bits[part, :, lane])

    def above(self, floor: Int[Tensor, "token"]) -> ActiveFeatures:
        """The values whose bits lie above those of their token."""
        token, part, lane = (self.highest > floor[:, None, None]).nonzero(as_tuple=True)
        return self._members(token, part, lane, floor[token, None])

    def _members(
        self,
        token: Int64[Tensor, "group"],
        part: Int64[Tensor, "group"],
        lane: Int64[Tensor, "group"],
        floor: Int[Tensor, "group member"] | Int[Tensor, "group one"],
    ) -> ActiveFeatures:
        bits = self.bits[token, part, :, lane]
        group, member = (bits > floor).nonzero(as_tuple=True)
        first = part * (self.bits.shape[2] * LANES) + lane + self.block.features.start
        feature = first[group] + member * LANES
        return ActiveFeatures(token[group], feature, bits[group, member].view(self.block.hidden.dtype))


def _floor(groups: _Groups, best: Int64[Tensor, "token k"] | None, k: int) -> Int[Tensor, "token"]:
    """Bits that a value must lie above to be among the k largest, as far as that shows without ranking."""
    if best is not None and best.shape[1] == k:
        # Blocks come in the order of their features, so what is equal comes too late.
        return (best[:, -1] >> 32).to(groups.highest.dtype)
    highest = groups.highest.flatten(1)
    if highest.shape[1] < k:
        return highest.new_zeros(len(highest))
    # As many groups hold a value that is at least this large.
    return (highest.topk(k).values[:, -1] - 1).clamp_(min=0)


def _side_by_side(active: ActiveFeatures, n_tokens: int) -> Int64[Tensor, "token place"]:
    """A row of keys for each token, 0 where it has fewer features: larger for a larger value or a smaller feature."""
    n_active = torch.bincount(active.token, minlength=n_tokens)
    first = n_active.cumsum(0) - n_active
    place = torch.arange(len(active.token), device=first.device) - first[active.token]
    keys = torch.zeros(n_tokens, max(1, int(n_active.max())), dtype=torch.int64, device=first.device)
    bits = active.value.view(BITS[active.value.dtype]).long()
    keys[active.token, place] = bits << 32 | (LAST_FEATURE - active.feature)
    return keys
