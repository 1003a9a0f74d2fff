"""From what was kept to the samples of each subsample: which contexts, in which order, which window."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float32, Int32, Int64
from torch import Tensor

from sae_assets.analysis.occurrences import Occurrences
from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples
from sae_assets.analysis.sampling import Band, rank_by_hash_of, rank_by_peak
from sae_assets.analysis.silence import ReferenceContexts
from sae_assets.settings.analyzer import SubsampleConfig


def samples_of_band(
    band: Band, kept: Occurrences, max_acts: Float32[Tensor, "feature"], seed: int, context_size: int
) -> FeatureSamples:
    """The samples of one band of activating contexts, each feature's by falling peak."""
    if band.is_top:
        chosen = kept.take((rank_by_peak(kept) < band.n_samples).nonzero().squeeze(1))
    else:
        inside = kept.take(_is_inside(band, kept, max_acts).nonzero().squeeze(1))
        drawn = rank_by_hash_of(inside.feature, inside.context_idx, seed) < band.n_samples
        chosen = inside.take(drawn.nonzero().squeeze(1))
    order = torch.argsort(chosen.feature * band.n_samples + rank_by_peak(chosen))
    return _place(chosen.take(order), band, len(max_acts), context_size)


def samples_of_silence(subsample: SubsampleConfig, reference: ReferenceContexts, context_size: int) -> FeatureSamples:
    """The silent samples: no token is active, and the window begins with the context."""
    context_idx = reference.silent_contexts(subsample.n_samples).cpu()
    n_samples = context_idx.numel()
    length = min(subsample.max_length or context_size, context_size)
    return FeatureSamples(
        context_idx=context_idx,
        peak=torch.zeros_like(context_idx, dtype=torch.float32),
        start=torch.zeros_like(context_idx, dtype=torch.int32),
        stop=torch.where(context_idx == NO_CONTEXT, 0, length).int(),
        offsets=torch.zeros(n_samples + 1, dtype=torch.int64),
        positions=torch.zeros(0, dtype=torch.int32),
        values=torch.zeros(0),
    )


def _is_inside(band: Band, pairs: Occurrences, max_acts: Float32[Tensor, "feature"]) -> Bool[Tensor, "pair"]:
    maximum = max_acts[pairs.feature].double()
    peak = pairs.peak.double()
    return (peak > band.lower * maximum) & (peak <= band.upper * maximum)


def _place(chosen: Occurrences, band: Band, n_features: int, context_size: int) -> FeatureSamples:
    """Puts the chosen pairs, ordered by feature and rank, into their (feature, sample) places, cut to their windows."""
    windows = _cut(chosen, band.max_length, context_size)
    first = torch.searchsorted(chosen.feature, chosen.feature)
    slot = chosen.feature * band.n_samples + torch.arange(len(first), device=first.device) - first
    n_slots = n_features * band.n_samples
    length = torch.zeros(n_slots, dtype=torch.int64, device=slot.device)
    length[slot] = windows.pairs.lengths

    def placed(values: Tensor, missing: int) -> Tensor:
        table = torch.full((n_slots,), missing, dtype=values.dtype, device=values.device)
        table[slot] = values
        return table.view(n_features, band.n_samples).cpu()

    return FeatureSamples(
        context_idx=placed(chosen.context_idx, NO_CONTEXT),
        peak=placed(chosen.peak, 0),
        start=placed(windows.start, 0),
        stop=placed(windows.stop, 0),
        offsets=torch.cat([length.new_zeros(1), length.cumsum(0)]).cpu(),
        positions=windows.pairs.positions.cpu(),
        values=windows.pairs.values.cpu(),
    )


class _Windows:
    """Pairs with only the active tokens inside a window around their peak."""

    def __init__(self, pairs: Occurrences, start: Int32[Tensor, "pair"], stop: Int32[Tensor, "pair"]):
        self.pairs, self.start, self.stop = pairs, start, stop


def _cut(pairs: Occurrences, max_length: int | None, context_size: int) -> _Windows:
    n_pairs = len(pairs.feature)
    if max_length is None or max_length >= context_size:
        whole = torch.full((n_pairs,), context_size, dtype=torch.int32, device=pairs.feature.device)
        return _Windows(pairs, torch.zeros_like(whole), whole)
    pair_of_token = torch.repeat_interleave(torch.arange(n_pairs, device=pairs.feature.device), pairs.lengths)
    start = (_peak_position(pairs, pair_of_token) - max_length // 2).clamp(0, context_size - max_length)
    stop = start + max_length
    inside = (pairs.positions >= start[pair_of_token]) & (pairs.positions < stop[pair_of_token])
    length: Int64[Tensor, "pair"] = torch.bincount(pair_of_token[inside], minlength=n_pairs)
    offsets = torch.cat([length.new_zeros(1), length.cumsum(0)])
    kept = pairs._replace(offsets=offsets, positions=pairs.positions[inside], values=pairs.values[inside])
    return _Windows(kept, start, stop)


def _peak_position(pairs: Occurrences, pair_of_token: Int64[Tensor, "active"]) -> Int32[Tensor, "pair"]:
    """The first position at which each pair is at its peak."""
    is_peak = pairs.values == pairs.peak[pair_of_token]
    first = torch.full_like(pairs.feature, torch.iinfo(torch.int32).max, dtype=torch.int32)
    return first.scatter_reduce_(0, pair_of_token[is_peak], pairs.positions[is_peak], "amin")
