"""Which features of two dictionaries are the same: pairs of nearest decoders, in memory of the weights' size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn.functional import normalize

from sae_assets.analysis.changes import (
    LEAST_COSINE,
    SAME_COSINE,
    FeatureChanges,
    Pairs,
    is_counterpart,
    listed,
)
from sae_assets.engine.progress import Progress, Step, silent

TILE_FEATURES = 4096
"""Features on either side of the cosines that are held at a time."""
MOST_ROUNDS = 10
"""Rounds of pairing; each one pairs about half of what the one before left, or more."""


class TrainedFeatures(NamedTuple):
    """The features of one checkpoint."""

    decoder: Float[Tensor, "feature d_model"]
    """Their directions, of any length."""
    act_times: Int64[np.ndarray, "feature"]
    """On how many of the analysed tokens each is active; on none where it is dead."""


def live_pairs(first: TrainedFeatures, second: TrainedFeatures, progress: Progress = silent) -> Pairs:
    """Live features of both that may be the same one, as far as their directions say; see `nearest_pairs`.

    No dead feature comes between two live ones.
    """
    alive, alive_later = np.flatnonzero(first.act_times), np.flatnonzero(second.act_times)
    return nearest_pairs(first.decoder, second.decoder, alive, alive_later, progress)


def feature_changes(
    first: TrainedFeatures, second: TrainedFeatures, pairs: Pairs, correlation: Float32[np.ndarray, "pair"]
) -> FeatureChanges:
    """What became of the features of the first checkpoint in the second one, and where those of the second come from.

    A live feature without a live counterpart is looked for among the dead ones of the other checkpoint: at the same
    index, which training keeps while a dead decoder may drift, if the directions still have `LEAST_COSINE`; then at any
    index by `SAME_COSINE`.

    Args:
        first: features of the first checkpoint.
        second: features of the second.
        pairs: those of `live_pairs`.
        correlation: of the activations of each pair; NaN where it is not known.
    """
    is_kept = is_counterpart(pairs.cosine, correlation)
    pairs, correlation = pairs.take(is_kept), correlation[is_kept]
    died = _dead_counterparts(first, second, np.setdiff1d(np.flatnonzero(first.act_times), pairs.first))
    revived = _dead_counterparts(second, first, np.setdiff1d(np.flatnonzero(second.act_times), pairs.second)).swapped()
    return listed(first.act_times, second.act_times, pairs, correlation, died, revived)


@torch.no_grad()
def nearest_pairs(
    first: Float[Tensor, "first d_model"],
    second: Float[Tensor, "second d_model"],
    among_first: Int64[np.ndarray, "candidate"],
    among_second: Int64[np.ndarray, "candidate"],
    progress: Progress = silent,
) -> Pairs:
    """Pairs of features that are nearest to each other among these; then, round by round, among those that are left.

    This always takes the nearest pair that there is; it ends where a round finds no cosine of `LEAST_COSINE`, or after
    `MOST_ROUNDS`. Ties go to the smaller index.
    """
    rounds: list[Pairs] = []
    for number in range(MOST_ROUNDS):
        if not (len(among_first) and len(among_second)):
            break
        # Later rounds have so little left that a bar of their own would only flicker.
        found = _mutually_nearest(first, second, among_first, among_second, silent if number else progress)
        rounds.append(found)
        among_first, among_second = np.setdiff1d(among_first, found.first), np.setdiff1d(among_second, found.second)
        if not (found.cosine >= LEAST_COSINE).any():
            break
    return Pairs.joined(rounds)


class _Nearest:
    """For each of some features the nearest one seen so far, and its cosine."""

    def __init__(self, n_features: int, device: torch.device):
        self.cosine = torch.full((n_features,), -torch.inf, device=device)
        self.place = torch.zeros(n_features, dtype=torch.int64, device=device)

    def note(self, features: slice, cosine: Float32[Tensor, "tile"], place: Int64[Tensor, "tile"]) -> None:
        """Takes in what a later tile holds, which has the larger places; of equal cosines the earlier stays."""
        is_nearer = cosine > self.cosine[features]
        self.cosine[features] = torch.where(is_nearer, cosine, self.cosine[features])
        self.place[features] = torch.where(is_nearer, place, self.place[features])


def _mutually_nearest(
    first: Float[Tensor, "first d_model"],
    second: Float[Tensor, "second d_model"],
    among_first: Int64[np.ndarray, "candidate"],
    among_second: Int64[np.ndarray, "candidate"],
    progress: Progress,
) -> Pairs:
    device, n_first, n_second = first.device, len(among_first), len(among_second)
    of_first, of_second = _Nearest(n_first, device), _Nearest(n_second, device)
    progress(Step("nearest decoders", 0, n_first, "features"))
    for rows in _tiles(n_first):
        directions = _directions(first, among_first[rows])
        for columns in _tiles(n_second):
            # Rounding takes the cosine of equal decoders a little over 1, which would decide between them.
            cosines = (directions @ _directions(second, among_second[columns]).T).clamp_(-1, 1)
            cosine, place = cosines.max(1)  # the first of equal ones
            of_first.note(rows, cosine, place + columns.start)
            cosine, place = cosines.max(0)
            of_second.note(columns, cosine, place + rows.start)
        progress(Step("nearest decoders", rows.stop, n_first, "features"))
    is_mutual = (of_second.place[of_first.place] == torch.arange(n_first, device=device)).cpu().numpy()
    place, cosine = of_first.place.cpu().numpy()[is_mutual], of_first.cosine.cpu().numpy()[is_mutual]
    return Pairs(among_first[is_mutual], among_second[place], cosine)


def _tiles(n_features: int) -> Iterator[slice]:
    for start in range(0, n_features, TILE_FEATURES):
        yield slice(start, min(start + TILE_FEATURES, n_features))


def _directions(
    decoder: Float[Tensor, "feature d_model"], features: Int64[np.ndarray, "tile"]
) -> Float32[Tensor, "tile d_model"]:
    """Some decoders at length 1; one of zeros stays so, and has the cosine 0 with every other."""
    return normalize(decoder[torch.from_numpy(features).to(decoder.device)].float(), dim=1)


@torch.no_grad()
def _dead_counterparts(one: TrainedFeatures, other: TrainedFeatures, alive: Int64[np.ndarray, "candidate"]) -> Pairs:
    """Pairs of these live features of one checkpoint and the dead ones of the other that they were, or became."""
    dead = np.flatnonzero(other.act_times == 0)
    in_place = _at_the_same_index(one, other, np.intersect1d(alive, dead))
    alive, dead = np.setdiff1d(alive, in_place.first), np.setdiff1d(dead, in_place.second)
    elsewhere = nearest_pairs(one.decoder, other.decoder, alive, dead)
    return Pairs.joined([in_place, elsewhere.take(elsewhere.cosine >= SAME_COSINE)])


def _at_the_same_index(one: TrainedFeatures, other: TrainedFeatures, features: Int64[np.ndarray, "candidate"]) -> Pairs:
    cosines = [np.zeros(0, np.float32)]
    for tile in _tiles(len(features)):
        products = _directions(one.decoder, features[tile]) * _directions(other.decoder, features[tile])
        cosines.append(products.sum(1).clamp_(-1, 1).cpu().numpy())
    pairs = Pairs(features, features, np.concatenate(cosines))
    return pairs.take(pairs.cosine >= LEAST_COSINE)
