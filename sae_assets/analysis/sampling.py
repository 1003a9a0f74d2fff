"""Which contexts stay: the highest peaks, and the draw from magnitude bins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from sae_assets.analysis.hashing import context_hash
from sae_assets.analysis.magnitude import PEAKS
from sae_assets.analysis.occurrences import Occurrences
from sae_assets.settings.analyzer import NON_ACTIVATING, FeatureAnalyzerConfig, SubsampleConfig


@dataclass(frozen=True)
class Band:
    """A subsample of contexts whose peak lies in (lower·max, upper·max]."""

    name: str
    """Name of the subsample."""
    lower: float
    """Share of the feature's maximum above which a peak lies."""
    upper: float
    """Share of the feature's maximum up to which a peak lies; 1.0 together with `is_top` takes the highest peaks."""
    is_top: bool
    """Whether the highest peaks are taken instead of a random draw."""
    n_samples: int
    """Contexts to keep for each feature."""
    max_length: int | None
    """Tokens to keep around the peak."""


@dataclass(frozen=True)
class SamplingPlan:
    """What has to be kept of each feature's occurrences, so that every subsample can be read off at the end."""

    bands: tuple[Band, ...]
    """The subsamples of activating contexts."""
    silent: tuple[str, SubsampleConfig] | None
    """The subsample of silent contexts, where one is asked for."""
    seed: int
    """Seed of the draw."""

    @staticmethod
    def of(cfg: FeatureAnalyzerConfig) -> SamplingPlan:
        """The plan for these settings: each band begins where the next smaller proportion ends."""
        groups = {name: group for name, group in cfg.subsamples.items() if name != NON_ACTIVATING}
        proportions = sorted(group.proportion for group in groups.values())
        lower = dict(zip(proportions, [0.0, *proportions], strict=False))
        bands = tuple(
            Band(name, lower[g.proportion], g.proportion, g.proportion == 1.0, g.n_samples, g.max_length)
            for name, g in groups.items()
        )
        silent = cfg.subsamples.get(NON_ACTIVATING)
        return SamplingPlan(bands, (NON_ACTIVATING, silent) if silent is not None else None, cfg.seed)

    @property
    def n_top(self) -> int:
        """Contexts of highest peak to keep for each feature."""
        return max((band.n_samples for band in self.bands if band.is_top), default=0)

    @property
    def n_per_bin(self) -> int:
        """Contexts of smallest hash to keep for each feature and bin of the peak."""
        return max((band.n_samples for band in self.bands if not band.is_top), default=0)


def rank_by_peak(pairs: Occurrences) -> Int64[Tensor, "pair"]:
    """Each pair's place among its feature's, by falling peak; ties go to the smaller `context_idx`."""
    height = pairs.peak.view(torch.int32).long()  # the bits of positive floats are ordered as the floats are
    return _rank(pairs.feature, (1 << 31) - 1 - height, pairs.context_idx)


def rank_by_hash(pairs: Occurrences, seed: int) -> Int64[Tensor, "pair"]:
    """Each pair's place among those of its feature and its bin of the peak, by rising hash of the context."""
    return rank_by_hash_of(pairs.feature * PEAKS.n_bins + PEAKS.of(pairs.peak), pairs.context_idx, seed)


def rank_by_hash_of(
    group: Int64[Tensor, "pair"], context_idx: Int64[Tensor, "pair"], seed: int
) -> Int64[Tensor, "pair"]:
    """Each pair's place in its group, by rising hash of the context; ties go to the smaller `context_idx`."""
    return _rank(group, context_hash(context_idx, seed), context_idx)


def _rank(
    group: Int64[Tensor, "pair"], order_by: Int64[Tensor, "pair"], context_idx: Int64[Tensor, "pair"]
) -> Int64[Tensor, "pair"]:
    """The place of each pair in its group by `order_by` in [0, 2**32), ties by `context_idx`."""
    key = (group << 32) | order_by
    sorted_key, order = torch.sort(key, stable=True)
    # Pairs mostly come with their contexts ascending; only where they do not are ties to be sorted out.
    is_tie = sorted_key[1:] == sorted_key[:-1]
    by_place = context_idx[order]
    if (is_tie & (by_place[1:] < by_place[:-1])).any():
        by_context = torch.sort(context_idx, stable=True).indices
        order = by_context[torch.sort(key[by_context], stable=True).indices]
    n_pairs = torch.unique_consecutive(sorted_key >> 32, return_counts=True)[1]
    first = torch.repeat_interleave(n_pairs.cumsum(0) - n_pairs, n_pairs)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first
    return rank


@dataclass
class CandidatePool:
    """The occurrences that may still be in a subsample. Bounded by features × samples after every pruning."""

    plan: SamplingPlan
    """What is to be kept."""
    kept: Occurrences
    """What the last pruning kept, with what has come since."""
    lowest_peak: Float32[Tensor, "feature"]
    """A peak below this one is not among the feature's highest; 0 until enough have come."""
    highest_hash: Int64[Tensor, "feature*bin"]
    """A hash above this one is not drawn from the bin; 2**32 until enough have come."""

    @staticmethod
    def empty(plan: SamplingPlan, n_features: int, device: torch.device | str) -> CandidatePool:
        """No candidates."""
        n_cells = n_features * PEAKS.n_bins if plan.n_per_bin else 0
        return CandidatePool(
            plan,
            Occurrences.none(device),
            torch.zeros(n_features, device=device),
            torch.full((n_cells,), 1 << 32, dtype=torch.int64, device=device),
        )

    def may_be_kept(
        self,
        peaks: Float32[Tensor, "context feature"],
        is_active: Bool[Tensor, "context feature"],
        context_idx: Int64[Tensor, "context"],
    ) -> Bool[Tensor, "context feature"]:
        """Which pairs of a new context and a feature that is active on it are not ruled out by what is kept already."""
        hopeful = (peaks >= self.lowest_peak) & is_active if self.plan.n_top else torch.zeros_like(is_active)
        if self.plan.n_per_bin:
            context, feature = is_active.nonzero(as_tuple=True)
            cell = feature * PEAKS.n_bins + PEAKS.of(peaks[context, feature])
            hashes = context_hash(context_idx, self.plan.seed)
            hopeful[context, feature] |= hashes[context] <= self.highest_hash[cell]
        return hopeful

    def prune(self, pairs: Occurrences) -> None:
        """Replaces what is kept by the best of `pairs`, and notes what newcomers are up against."""
        n_top, n_per_bin = self.plan.n_top, self.plan.n_per_bin
        by_peak = rank_by_peak(pairs) if n_top else None
        by_hash = rank_by_hash(pairs, self.plan.seed) if n_per_bin else None
        keep = torch.zeros_like(pairs.feature, dtype=torch.bool)
        if by_peak is not None:
            keep |= by_peak < n_top
            last = by_peak == n_top - 1
            self.lowest_peak[pairs.feature[last]] = pairs.peak[last]
        if by_hash is not None:
            keep |= by_hash < n_per_bin
            last = by_hash == n_per_bin - 1
            cell = pairs.feature[last] * PEAKS.n_bins + PEAKS.of(pairs.peak[last])
            self.highest_hash[cell] = context_hash(pairs.context_idx[last], self.plan.seed)
        self.kept = pairs.take(keep.nonzero().squeeze(1))
