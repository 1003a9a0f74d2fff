"""The running state of an analysis: takes batches of activations, merges with other states, ends in summaries."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sae_assets.analysis.exact_sums import ExactSums
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.analysis.occurrences import ActiveValues, Occurrences, concatenate
from sae_assets.analysis.sampling import CandidatePool, SamplingPlan
from sae_assets.analysis.silence import ReferenceContexts
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.analysis.windows import samples_of_band, samples_of_silence

PRUNE_ABOVE = 1 << 16
"""Newcomers (pairs of a feature and a context) that are gathered before the candidates are pruned."""


class FeatureAccumulator:
    """Statistics and candidate samples of every feature over the contexts seen so far.

    Every part of the state is a set or an exact sum, so neither the order of contexts nor how they come in batches
    changes the result. Memory is bounded by features × samples.
    """

    def __init__(self, plan: SamplingPlan, n_features: int, context_size: int, device: torch.device | str = "cpu"):
        """The state before the first context. `context_size` is the length of the longest context, in tokens."""
        self.plan = plan
        self.n_features = n_features
        self.context_size = context_size
        self.device = torch.device(device)
        self.n_tokens = 0
        self.n_contexts = 0
        self.act_times = torch.zeros(n_features, dtype=torch.int64, device=device)
        self.act_contexts = torch.zeros(n_features, dtype=torch.int64, device=device)
        self.max_acts = torch.zeros(n_features, device=device)
        self.histogram = torch.zeros(n_features, HISTOGRAM.n_bins, dtype=torch.int64, device=device)
        self.sums = ExactSums.zeros(n_features, device)
        self.pool = CandidatePool.empty(plan, n_features, device)
        self.newcomers: list[Occurrences] = []
        self.n_newcomers = 0
        self.reference = ReferenceContexts.none(n_features, plan.seed, device)

    def add(self, active: ActiveValues, context_idx: Int64[Tensor, "context"], n_tokens: int) -> None:
        """Adds whole contexts, each with at least one analysed token, and all of their active values.

        `n_tokens` is the number of analysed tokens in these contexts.
        """
        self.n_tokens += n_tokens
        self.n_contexts += len(context_idx)
        self._count(active)
        pairs = Occurrences.of(active, context_idx)
        self.act_contexts += torch.bincount(pairs.feature, minlength=self.n_features)
        self.max_acts.scatter_reduce_(0, pairs.feature, pairs.peak, "amax")
        if self.plan.silent is not None:
            self._add_reference(active, context_idx)
        hopeful = self.pool.may_be_kept(pairs).nonzero().squeeze(1)
        self._gather(pairs.take(hopeful))

    def merge(self, other: FeatureAccumulator) -> FeatureAccumulator:
        """The state over both parts' contexts, which must be disjoint; neither part is changed."""
        merged = FeatureAccumulator(self.plan, self.n_features, max(self.context_size, other.context_size), self.device)
        merged.n_tokens = self.n_tokens + other.n_tokens
        merged.n_contexts = self.n_contexts + other.n_contexts
        merged.act_times = self.act_times + other.act_times
        merged.act_contexts = self.act_contexts + other.act_contexts
        merged.max_acts = torch.maximum(self.max_acts, other.max_acts)
        merged.histogram = self.histogram + other.histogram
        merged.sums = self.sums.merge(other.sums)
        merged.reference = self.reference.merge(other.reference)
        merged.pool.prune(concatenate([self._candidates(), other._candidates()]))
        return merged

    def summaries(self) -> FeatureSummaries:
        """Statistics and samples over all contexts added so far."""
        self._prune()
        n_active = self.act_times.clamp(min=1)
        mean = self.sums.total() / n_active
        variance = (self.sums.total_of_squares() / n_active - mean * mean).clamp(min=0)
        samples = {
            band.name: samples_of_band(band, self.pool.kept, self.max_acts, self.plan.seed, self.context_size)
            for band in self.plan.bands
        }
        if self.plan.silent is not None:
            name, subsample = self.plan.silent
            samples[name] = samples_of_silence(subsample, self.reference, self.context_size)
        return FeatureSummaries(
            n_analyzed_tokens=self.n_tokens,
            n_analyzed_contexts=self.n_contexts,
            act_times=self.act_times.cpu().clone(),
            act_contexts=self.act_contexts.cpu().clone(),
            max_feature_acts=self.max_acts.cpu().clone(),
            mean_acts=mean.cpu(),
            variance_acts=variance.cpu(),
            histogram=self.histogram.cpu().clone(),
            samples=samples,
        )

    def _count(self, active: ActiveValues) -> None:
        self.act_times += torch.bincount(active.feature, minlength=self.n_features)
        cell = active.feature * HISTOGRAM.n_bins + HISTOGRAM.of(active.value)
        self.histogram.view(-1).index_add_(0, cell, torch.ones_like(cell))
        self.sums.add_(active.feature, active.value)

    def _add_reference(self, active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> None:
        enters = self.reference.which_enter(context_idx)
        if not enters.any():
            return
        row: Int64[Tensor, "context"] = enters.cumsum(0) - 1
        is_active: Bool[Tensor, "new feature"] = torch.zeros(
            int(enters.sum()), self.n_features, dtype=torch.bool, device=self.device
        )
        of_entering = enters[active.context]
        is_active[row[active.context[of_entering]], active.feature[of_entering]] = True
        new = ReferenceContexts(self.plan.seed, context_idx[enters], is_active)
        self.reference = self.reference.merge(new)

    def _gather(self, pairs: Occurrences) -> None:
        self.newcomers.append(pairs)
        self.n_newcomers += len(pairs.feature)
        if self.n_newcomers > max(PRUNE_ABOVE, len(self.pool.kept.feature)):
            self._prune()

    def _prune(self) -> None:
        if self.newcomers:
            self.pool.prune(self._candidates())
            self.newcomers, self.n_newcomers = [], 0

    def _candidates(self) -> Occurrences:
        return concatenate([self.pool.kept, *self.newcomers])
