"""The tokens on which co-activation is counted: those of a fixed set of contexts, in whatever order contexts come."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Int32, Int64
from torch import Tensor

from sae_assets.analysis.coactive_features import TokenFeatures
from sae_assets.analysis.hashing import context_hash
from sae_assets.analysis.occurrences import ActiveValues

MOST_PAIRS = 1 << 27
"""Pairs of features active on one token, over all reference tokens: 42,000 tokens with 50 active features each."""
FEWEST_PAIRS = 64
"""What an active feature counts for at least; bounds memory, to 8 bytes for each, where few are active on a token."""
MOST_ON_TOKEN = 512
"""A token with more active features, as the first of a context may be, is left out: it has most of the pairs, and says
least about which features belong together."""


class ContextTokens(NamedTuple):
    """The active features of the tokens of some contexts, kept ragged, on the CPU."""

    context_idx: Int64[Tensor, "context"]
    """Which contexts."""
    n_pairs: Int64[Tensor, "context"]
    """What each counts for: for each active feature the number of those active on its token, or `FEWEST_PAIRS`."""
    offsets: Int64[Tensor, "context+1"]
    """Where each context's active features begin in `position` and `feature`."""
    position: Int32[Tensor, "active"]
    """Position of the token in the context, ascending within it."""
    feature: Int32[Tensor, "active"]
    """Which feature is active on it."""

    @staticmethod
    def of(active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> ContextTokens:
        """The tokens of these contexts that have active features, and not too many; contexts without are left out."""
        token = active.context << 32 | active.position
        _, place, counts = torch.unique_consecutive(token, return_inverse=True, return_counts=True)
        on_token = counts[place]
        kept = (on_token <= MOST_ON_TOKEN).nonzero().squeeze(1)
        context = active.context[kept]
        n_active = torch.bincount(context, minlength=len(context_idx))
        n_pairs = torch.zeros_like(n_active).index_add_(0, context, on_token[kept].clamp(min=FEWEST_PAIRS))
        exists = n_active > 0
        return ContextTokens(
            context_idx[exists],
            n_pairs[exists],
            _offsets(n_active[exists]),
            active.position[kept].int(),
            active.feature[kept].int(),
        )

    def take(self, index: Int64[Tensor, "taken"]) -> ContextTokens:
        """The contexts at these places, in this order."""
        n_active = self.offsets.diff()[index]
        offsets = _offsets(n_active)
        place = torch.arange(int(offsets[-1])) + torch.repeat_interleave(self.offsets[index] - offsets[:-1], n_active)
        return ContextTokens(
            self.context_idx[index], self.n_pairs[index], offsets, self.position[place], self.feature[place]
        )


class ReferenceTokens:
    """The contexts of smallest hash seen so far, up to the first with which they have `MOST_PAIRS`.

    Whether a context belongs to it is decided by those of smaller hash alone, so the order of adding and merging
    changes nothing.
    """

    def __init__(self, seed: int):
        """No contexts yet; `seed` is that of the hash."""
        self.seed = seed
        self.parts: list[ContextTokens] = []
        self.n_pairs = 0
        self.highest_hash = 1 << 32
        """A context with a hash above this one does not enter."""

    def add(self, active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> None:
        """Adds whole contexts with all their active values."""
        enters = context_hash(context_idx, self.seed) <= self.highest_hash
        if enters.any():
            context = enters.cumsum(0) - 1
            entering = active if bool(enters.all()) else active.take(enters[active.context])
            entering = entering._replace(context=context[entering.context])
            self._gather(ContextTokens.of(ActiveValues(*(c.cpu() for c in entering)), context_idx[enters].cpu()))

    def merge(self, other: ReferenceTokens) -> None:
        """Adds the contexts of another part, none of which is here already."""
        for part in other.parts:
            self._gather(part)

    def tokens(self) -> TokenFeatures:
        """The reference tokens that have an active feature."""
        self._prune()
        (kept,) = self.parts or [_NONE]
        context = torch.repeat_interleave(kept.offsets.diff())
        on_token = torch.unique_consecutive(context << 32 | kept.position, return_counts=True)[1]
        return TokenFeatures(_offsets(on_token), kept.feature)

    def _gather(self, part: ContextTokens) -> None:
        self.parts.append(part)
        self.n_pairs += int(part.n_pairs.sum())
        # Twice as many, so that what is kept is not sorted again for each newcomer.
        if self.n_pairs > 2 * MOST_PAIRS:
            self._prune()

    def _prune(self) -> None:
        if not self.parts:
            return
        parts = ContextTokens(*(torch.cat(column) for column in zip(*self.parts, strict=True)))
        parts = parts._replace(offsets=_offsets(torch.cat([part.offsets.diff() for part in self.parts])))
        by_context = torch.argsort(parts.context_idx)
        hashes = context_hash(parts.context_idx[by_context], self.seed)
        by_hash = torch.sort(hashes, stable=True).indices
        order = by_context[by_hash]
        n_pairs = parts.n_pairs[order]
        is_kept = n_pairs.cumsum(0) - n_pairs < MOST_PAIRS
        self.parts = [parts.take(order[is_kept])]
        self.n_pairs = int(self.parts[0].n_pairs.sum())
        if self.n_pairs >= MOST_PAIRS:
            self.highest_hash = int(context_hash(self.parts[0].context_idx[-1:], self.seed))

    def __getstate__(self) -> dict[str, Any]:
        """The set without what it does not need, which is what travels between processes."""
        self._prune()
        return vars(self)


def _offsets(length: Int64[Tensor, "run"]) -> Int64[Tensor, "run+1"]:
    return torch.cat([length.new_zeros(1), length.cumsum(0)])


_NOTHING = torch.zeros(0, dtype=torch.int64)
_NONE = ContextTokens(_NOTHING, _NOTHING, _offsets(_NOTHING), _NOTHING.int(), _NOTHING.int())
