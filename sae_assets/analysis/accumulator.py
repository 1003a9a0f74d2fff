"""The running state of an analysis: takes batches of activations, merges with other states, ends in summaries."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from sae_assets.analysis.bin_table import BinTable
from sae_assets.analysis.coactive_features import coactive_features
from sae_assets.analysis.exact_sums import ExactSums
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.analysis.occurrences import ActiveValues, Occurrences, concatenate
from sae_assets.analysis.reference_tokens import ReferenceTokens
from sae_assets.analysis.sampling import CandidatePool, SamplingPlan
from sae_assets.analysis.silence import ReferenceContexts
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.analysis.windows import samples_of_band, samples_of_silence

PRUNE_ABOVE = 1 << 16
"""Newcomers (pairs of a feature and a context) that are gathered before the candidates are pruned."""


class FeatureAccumulator:
    """Statistics and candidate samples of every feature over the contexts seen so far.

    Every part of the state is a set or an exact sum, so neither the order of contexts nor how they come in batches
    changes the result. Memory is bounded by features × samples and the reference tokens.
    """

    def __init__(self, plan: SamplingPlan, n_features: int, context_size: int, device: torch.device | str = "cpu"):
        """The state before the first context. `context_size` is the length of the longest context, in tokens."""
        self.plan = plan
        self.n_features = n_features
        self.context_size = context_size
        self.device = torch.device(device)
        self.n_tokens = 0
        self.n_contexts = 0
        self.act_contexts = torch.zeros(n_features, dtype=torch.int64, device=device)
        self.max_acts = torch.zeros(n_features, device=device)
        self.histogram = BinTable(HISTOGRAM.n_bins, n_features, device)
        self.sums = ExactSums(n_features, device)
        self.pool = CandidatePool.empty(plan, n_features, device)
        self.newcomers: list[Occurrences] = []
        self.n_newcomers = 0
        self.reference = ReferenceContexts.none(n_features, plan.seed, device)
        self.reference_tokens = ReferenceTokens(plan.seed)

    def add(self, active: ActiveValues, context_idx: Int64[Tensor, "context"], n_tokens: int) -> None:
        """Adds whole contexts, each with at least one analysed token, and all of their active values.

        `n_tokens` is the number of analysed tokens in these contexts.
        """
        self.n_tokens += n_tokens
        self.n_contexts += len(context_idx)
        self._count(active)
        peaks = active.peaks(len(context_idx), self.n_features)
        is_active = peaks > 0
        self.act_contexts += is_active.sum(0)
        self.max_acts = torch.maximum(self.max_acts, peaks.amax(0))
        if self.plan.silent is not None:
            self._add_reference(is_active, context_idx)
        self.reference_tokens.add(active, context_idx)
        hopeful = self.pool.may_be_kept(peaks, is_active, context_idx)
        self._gather(Occurrences.of(active.take(hopeful[active.context, active.feature]), context_idx))

    def merge(self, other: FeatureAccumulator) -> FeatureAccumulator:
        """The state over both parts' contexts, which must be disjoint. It takes over the memory of this part."""
        self.context_size = max(self.context_size, other.context_size)
        self.n_tokens += other.n_tokens
        self.n_contexts += other.n_contexts
        self.act_contexts += other.act_contexts.to(self.device)
        self.max_acts = torch.maximum(self.max_acts, other.max_acts.to(self.device))
        self.histogram.absorb(other.histogram)
        self.sums.absorb(other.sums)
        self.reference = self.reference.merge(other.reference.to(self.device))
        self.reference_tokens.merge(other.reference_tokens)
        self._gather(other._candidates().to(self.device))
        return self

    def on_cpu(self) -> FeatureAccumulator:
        """The same state in the memory of the CPU, where every process can take it."""
        if self.device.type == "cpu":
            return self
        return FeatureAccumulator(self.plan, self.n_features, self.context_size).merge(self)

    def summaries(self) -> FeatureSummaries:
        """Statistics and samples over all contexts added so far. They share memory with the state, which ends here."""
        self._prune()
        act_times = self.histogram.by_feature.sum(1)
        n_active = act_times.clamp(min=1)
        mean = self.sums.total() / n_active
        variance = (self.sums.total_of_squares() / n_active - mean * mean).clamp(min=0)
        samples = {
            band.name: samples_of_band(band, self.pool.kept, self.max_acts, self.plan.seed, self.context_size)
            for band in self.plan.bands
        }
        if self.plan.silent is not None:
            name, subsample = self.plan.silent
            samples[name] = samples_of_silence(subsample, self.reference, self.context_size)
        coactive = coactive_features(self.reference_tokens.tokens(), self.n_features)
        return FeatureSummaries(
            n_analyzed_tokens=self.n_tokens,
            n_analyzed_contexts=self.n_contexts,
            act_times=act_times.cpu(),
            act_contexts=self.act_contexts.cpu(),
            max_feature_acts=self.max_acts.cpu(),
            mean_acts=mean.cpu(),
            variance_acts=variance.cpu(),
            histogram=self.histogram.by_feature.cpu(),
            coactive_idx=coactive.idx,
            coactive_cosine=coactive.cosine,
            samples=samples,
        )

    def _count(self, active: ActiveValues) -> None:
        cell = HISTOGRAM.of(active.value) * self.n_features + active.feature
        self.histogram.add(cell, torch.ones_like(cell))
        self.sums.add(active.feature, active.value)

    def _add_reference(self, is_active: Bool[Tensor, "context feature"], context_idx: Int64[Tensor, "context"]) -> None:
        enters = self.reference.which_enter(context_idx)
        if enters.any():
            new = ReferenceContexts(self.plan.seed, context_idx[enters], is_active[enters])
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
