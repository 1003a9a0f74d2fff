"""Which features are active on the same tokens: from the features of some tokens to each feature's nearest."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int, Int32, Int64
from torch import Tensor

N_NEIGHBOURS = 10
"""Neighbours of each feature."""
BLOCK_PAIRS = 1 << 18
"""Pairs of features that are counted at a time, unless a single feature has more."""
MOST_THREADS = 4
"""Blocks that are counted at once, each in memory of its own."""
_LOW = 0xFFFFFFFF


class TokenFeatures(NamedTuple):
    """The features that are active on some tokens, kept ragged."""

    offsets: Int64[Tensor, "token+1"]
    """Where each token's features begin in `feature`."""
    feature: Int32[Tensor, "active"]
    """The active features, token after token; none twice on a token."""


class CoactiveFeatures(NamedTuple):
    """Each feature's nearest by co-activation."""

    idx: Int64[Tensor, "feature neighbour"]
    """The nearest features, itself left out, ties to the smaller index; -1 where there are fewer."""
    cosine: Float32[Tensor, "feature neighbour"]
    """Their cosines, descending; 0 where there is none."""


def coactive_features(tokens: TokenFeatures, n_features: int, n_neighbours: int = N_NEIGHBOURS) -> CoactiveFeatures:
    """The nearest of all features by the cosine of their activities as 0s and 1s: n_fg / sqrt(n_f · n_g).

    That is the coefficient of Ochiai (1957): n_f is the number of the tokens on which f is active, n_fg of those on
    which f and g both are. Neighbours have at least two tokens in common: one is chance, and between two features of
    one token the cosine 1. A feature that is rarer on these tokens has none. The result depends on neither the order of
    tokens nor the blocks that it is computed in, to the last bit.

    Time grows with the pairs of features that are active on one token, memory with the active features and
    `BLOCK_PAIRS`, never with features × features.
    """
    counts = _Counts(tokens.offsets.numpy(), tokens.feature.numpy(), n_features)
    best = np.zeros((n_features, n_neighbours), np.int64)

    def place(rows: Int64[np.ndarray, "row"]) -> None:
        best[rows] = _best(counts, rows, n_neighbours)

    with ThreadPoolExecutor(min(MOST_THREADS, torch.get_num_threads())) as pool:
        list(pool.map(place, counts.blocks()))
    idx = np.where(best > 0, _LOW - (best & _LOW), -1)
    return CoactiveFeatures(torch.from_numpy(idx), torch.from_numpy((best >> 32).astype(np.int32).view(np.float32)))


class _Counts:
    """On how many tokens features are active, and with which others."""

    def __init__(self, offsets: Int64[np.ndarray, "token+1"], feature: Int32[np.ndarray, "active"], n_features: int):
        self.n_features, self.feature = n_features, feature
        self.first_of_token, self.on_token = offsets[:-1], np.diff(offsets)
        self.n_active = np.bincount(feature, minlength=n_features)
        self.first_of_feature = self.n_active.cumsum() - self.n_active
        # The tokens of each feature, feature after feature.
        token = np.repeat(np.arange(len(self.on_token), dtype=np.int32), self.on_token)
        self.token = token[np.argsort(feature, kind="stable")]

    def blocks(self) -> Iterator[Int64[np.ndarray, "row"]]:
        """The features that can have a neighbour, some at a time, those with most pairs first.

        Features of one block have about as many, so that a table of them is not mostly empty.
        """
        n_pairs = np.bincount(self.feature, np.repeat(self.on_token, self.on_token), self.n_features).astype(np.int64)
        order = np.argsort(-n_pairs, kind="stable")
        order = order[self.n_active[order] >= 2]
        most_rows = (1 << 32) // self.n_features
        first = 0
        while first < len(order):
            last = first + min(most_rows, max(1, BLOCK_PAIRS // int(n_pairs[order[first]])))
            yield order[first:last]
            first = last

    def pairs(self, rows: Int64[np.ndarray, "row"]) -> Int[np.ndarray, "pair"]:
        """row · n_features + feature, for each token of each row and each feature active on it, in ascending order."""
        n_active = self.n_active[rows]
        token = self.token[_places(self.first_of_feature[rows], n_active)]
        on_token = self.on_token[token]
        pairs = self.feature.take(_places(self.first_of_token[token], on_token)).view(np.uint32)
        row = np.arange(len(rows), dtype=np.uint32) * np.uint32(self.n_features)
        pairs += np.repeat(np.repeat(row, n_active), on_token)
        pairs.sort()
        return pairs


def _places(first: Int64[np.ndarray, "run"], length: Int64[np.ndarray, "run"]) -> Int64[np.ndarray, "place"]:
    """The places of runs that begin at `first`, run after run."""
    last = length.cumsum()
    places = np.repeat(first - last + length, length)
    places += np.arange(len(places))
    return places


def _best(counts: _Counts, rows: Int64[np.ndarray, "row"], k: int) -> Int64[np.ndarray, "row k"]:
    """For each row its k nearest, each as one number: the cosine's bits over the complement of the feature's index.

    The bits of positive floats are ordered as the floats are, so the larger number is nearer; 0 where there are fewer.
    """
    pairs = counts.pairs(rows)
    # Each without its first, which leaves nothing of those with one token in common: most of them.
    again = pairs[1:][pairs[1:] == pairs[:-1]]
    begin = np.flatnonzero(np.concatenate([[True], again[1:] != again[:-1]]))[: len(again)]
    n_common = np.diff(begin, append=len(again)) + 1
    row, other = np.divmod(again[begin], np.uint32(counts.n_features))
    row, other = row.astype(np.int64), other.astype(np.int64)
    # A quotient of whole numbers is the same for equal fractions, so that equal cosines are.
    squared = np.square(n_common, dtype=np.float64) / (counts.n_active[rows[row]] * counts.n_active[other])
    value = (np.sqrt(squared).astype(np.float32).view(np.int32).astype(np.int64) << 32) | (_LOW - other)
    value[other == rows[row]] = 0
    n_found = np.bincount(row, minlength=len(rows))
    table = np.zeros((len(rows), max(k, n_found.max(initial=0))), np.int64)
    table[row, np.arange(len(row)) - np.repeat(n_found.cumsum() - n_found, n_found)] = value
    nearest = np.partition(table, -k, axis=1)[:, -k:]
    nearest.sort(axis=1)
    return nearest[:, ::-1]
