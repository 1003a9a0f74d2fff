"""Contexts on which features are silent, out of a fixed reference set that does not depend on the order of contexts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sae_assets.analysis.hashing import context_hash
from sae_assets.analysis.samples import NO_CONTEXT

N_REFERENCE = 512
"""Contexts in the reference set; a feature active on all of them gets no silent samples."""


@dataclass(frozen=True)
class ReferenceContexts:
    """The contexts of smallest hash seen so far, and which features are active on them."""

    seed: int
    """Seed of the hash."""
    context_idx: Int64[Tensor, "context"]
    """The contexts, by rising hash; ties go to the smaller `context_idx`."""
    is_active: Bool[Tensor, "context feature"]
    """Whether the feature is above 0 on some token of the context."""

    @staticmethod
    def none(n_features: int, seed: int, device: torch.device | str) -> ReferenceContexts:
        """No contexts yet."""
        no_contexts = torch.zeros(0, dtype=torch.int64, device=device)
        return ReferenceContexts(seed, no_contexts, torch.zeros(0, n_features, dtype=torch.bool, device=device))

    def which_enter(self, context_idx: Int64[Tensor, "new"]) -> Bool[Tensor, "new"]:
        """Which new contexts may belong to the reference set."""
        if len(self.context_idx) < N_REFERENCE:
            return torch.ones_like(context_idx, dtype=torch.bool)
        return context_hash(context_idx, self.seed) <= context_hash(self.context_idx[-1:], self.seed)

    def merge(self, other: ReferenceContexts) -> ReferenceContexts:
        """The reference set of both parts' contexts. Exact, associative and commutative."""
        context_idx = torch.cat([self.context_idx, other.context_idx])
        by_context = torch.argsort(context_idx)
        by_hash = torch.sort(context_hash(context_idx[by_context], self.seed), stable=True).indices
        order = by_context[by_hash][:N_REFERENCE]
        return ReferenceContexts(self.seed, context_idx[order], torch.cat([self.is_active, other.is_active])[order])

    def to(self, device: torch.device) -> ReferenceContexts:
        """The same set on a device."""
        return ReferenceContexts(self.seed, self.context_idx.to(device), self.is_active.to(device))

    def silent_contexts(self, n_samples: int) -> Int64[Tensor, "feature sample"]:
        """For each feature, the first contexts of the set on which it is silent; -1 where there are fewer."""
        n_contexts, n_features = self.is_active.shape
        found = torch.full((n_features, n_samples), NO_CONTEXT, dtype=torch.int64, device=self.context_idx.device)
        n_found = torch.zeros(n_features, dtype=torch.int64, device=self.context_idx.device)
        for row in range(n_contexts):
            feature = (~self.is_active[row] & (n_found < n_samples)).nonzero().squeeze(1)
            found[feature, n_found[feature]] = self.context_idx[row]
            n_found[feature] += 1
        return found
