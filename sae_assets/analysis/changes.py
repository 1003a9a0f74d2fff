"""What became of features from one checkpoint to another: which pairs count as one feature, and the list of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64, UInt8

Change = Literal["matched", "moved", "died", "revived", "disappeared", "appeared"]
"""What may become of a feature: it is the same; the same, but changed; alive in the first checkpoint and dead in the
second; dead in the first and alive in the second; without counterpart in the second; without counterpart in the first.
"""
CHANGES: tuple[Change, ...] = get_args(Change)
"""All of them, in the order of a list."""
FORMAT = 1
"""Raised when the same checkpoints give another list than before."""
NO_FEATURE = -1
"""In place of a counterpart that does not exist."""
SAME_COSINE = 0.7
"""From here on, two decoders are taken for the same direction."""
SAME_CORRELATION = 0.5
"""From here on, two features are taken to activate on the same tokens."""
LEAST_COSINE = 0.4
"""Below this, two features that are nearest to each other are still not one, unless they activate together. Random
directions come so near to each other only where d_model is small."""


class Pairs(NamedTuple):
    """Features of the first checkpoint beside features of the second; none is in two pairs."""

    first: Int64[np.ndarray, "pair"]
    """Feature of the first."""
    second: Int64[np.ndarray, "pair"]
    """Feature of the second."""
    cosine: Float32[np.ndarray, "pair"]
    """Cosine of the two decoders."""

    def take(self, is_taken: Bool[np.ndarray, "pair"]) -> Pairs:
        """Some of them, in their order."""
        return Pairs(*(column[is_taken] for column in self))

    def swapped(self) -> Pairs:
        """The same with the two checkpoints exchanged."""
        return Pairs(self.second, self.first, self.cosine)

    @staticmethod
    def joined(parts: list[Pairs]) -> Pairs:
        """All pairs of the parts, part after part."""
        none = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
        return Pairs(*(np.concatenate(columns) for columns in zip(none, *parts, strict=True)))


def is_counterpart(
    cosine: Float32[np.ndarray, "pair"], correlation: Float32[np.ndarray, "pair"]
) -> Bool[np.ndarray, "pair"]:
    """Which pairs of live features that are nearest to each other are one feature, changed or not."""
    return (cosine >= LEAST_COSINE) | (correlation >= SAME_CORRELATION)


def is_match(cosine: Float32[np.ndarray, "pair"], correlation: Float32[np.ndarray, "pair"]) -> Bool[np.ndarray, "pair"]:
    """Which of these are the same feature still; where the correlation is not known (NaN), the decoders decide."""
    return (cosine >= SAME_COSINE) & ~(correlation < SAME_CORRELATION)


@dataclass(frozen=True, eq=False)
class FeatureChanges:
    """What became of every feature that is alive in one of two checkpoints, in the order in which a person reads it.

    By kind, as in `CHANGES`; matches from the surest on, moved ones from the furthest on, all others from the one that
    activates most often on.
    """

    first: Int32[np.ndarray, "pair"]
    """Feature of the first checkpoint, or `NO_FEATURE`."""
    second: Int32[np.ndarray, "pair"]
    """Feature of the second checkpoint, or `NO_FEATURE`."""
    change: UInt8[np.ndarray, "pair"]
    """What became of it: place in `CHANGES`."""
    cosine: Float32[np.ndarray, "pair"]
    """Cosine of the two decoders; NaN where there is only one."""
    correlation: Float32[np.ndarray, "pair"]
    """Pearson correlation of the two activations; NaN where it was not computed or one of them is constant."""

    @property
    def counts(self) -> dict[Change, int]:
        """How many there are of each kind."""
        counts = np.bincount(self.change, minlength=len(CHANGES))
        return dict(zip(CHANGES, counts.tolist(), strict=True))


class _Part(NamedTuple):
    """Entries of one kind, each with what it is sorted by."""

    change: Change
    first: Int64[np.ndarray, "pair"]
    second: Int64[np.ndarray, "pair"]
    cosine: Float32[np.ndarray, "pair"]
    correlation: Float32[np.ndarray, "pair"]
    rank: np.ndarray
    """Ascending in the list."""


def listed(
    act_times: Int64[np.ndarray, "first"],
    act_times_later: Int64[np.ndarray, "second"],
    alive: Pairs,
    correlation: Float32[np.ndarray, "pair"],
    died: Pairs,
    revived: Pairs,
) -> FeatureChanges:
    """The list out of the pairs that are one feature.

    Args:
        act_times: how often each feature of the first checkpoint is active; those that never are, are dead.
        act_times_later: the same of the second.
        alive: pairs of two live features.
        correlation: of each of these.
        died: pairs of a live and a dead feature.
        revived: pairs of a dead and a live feature.
    """
    parts = list(_parts(act_times, act_times_later, alive, correlation, died, revived))
    change = np.concatenate([np.full(len(part.first), CHANGES.index(part.change), np.uint8) for part in parts])
    first, second, cosine, known, rank = (
        np.concatenate([part[column] for part in parts]) for column in range(1, len(_Part._fields))
    )
    order = np.lexsort((second, first, rank, change))
    return FeatureChanges(
        first[order].astype(np.int32),
        second[order].astype(np.int32),
        change[order],
        cosine[order].astype(np.float32),
        known[order].astype(np.float32),
    )


def _parts(
    act_times: Int64[np.ndarray, "first"],
    act_times_later: Int64[np.ndarray, "second"],
    alive: Pairs,
    correlation: Float32[np.ndarray, "pair"],
    died: Pairs,
    revived: Pairs,
) -> Iterator[_Part]:
    is_same = is_match(alive.cosine, correlation)
    matched, moved = alive.take(is_same), alive.take(~is_same)
    yield _Part("matched", *matched, correlation[is_same], -matched.cosine)
    yield _Part("moved", *moved, correlation[~is_same], moved.cosine)
    yield _Part("died", *died, _nan(died.first), -act_times[died.first])
    yield _Part("revived", *revived, _nan(revived.first), -act_times_later[revived.second])
    alone = np.setdiff1d(np.flatnonzero(act_times), np.concatenate([alive.first, died.first]))
    nothing = _nan(alone)
    yield _Part("disappeared", alone, np.full_like(alone, NO_FEATURE), nothing, nothing, -act_times[alone])
    alone = np.setdiff1d(np.flatnonzero(act_times_later), np.concatenate([alive.second, revived.second]))
    nothing = _nan(alone)
    yield _Part("appeared", np.full_like(alone, NO_FEATURE), alone, nothing, nothing, -act_times_later[alone])


def _nan(like: np.ndarray) -> Float32[np.ndarray, "pair"]:
    return np.full(len(like), np.nan, np.float32)
