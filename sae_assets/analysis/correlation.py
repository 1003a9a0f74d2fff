"""Pearson correlations of the activations of pairs of features, out of their active values alone."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.changes import Pairs
from sae_assets.analysis.encoding import Encoder, encoded_contexts
from sae_assets.dictionary.active_features import ActiveFeatures

CONSTANT = 1e-12
"""A variance below this share of the mean square is what rounding leaves of none."""


class PairCorrelations:
    """Sums over tokens, in float64 on the CPU: of each activation, its square, and the product of a pair's two."""

    def __init__(self, pairs: Pairs, n_first: int, n_second: int):
        """The sums over no tokens; `n_first` and `n_second` are the numbers of features of the two checkpoints."""
        self.n_pairs, self.n_tokens = len(pairs.first), 0
        self.first = _Side(pairs.first, n_first)
        self.second = _Side(pairs.second, n_second)
        self.products = torch.zeros(self.n_pairs, dtype=torch.float64)

    def add(self, first: ActiveFeatures, second: ActiveFeatures, n_tokens: int) -> None:
        """Adds tokens, with what each checkpoint's features do on them; both count the tokens alike."""
        one, other = self.first.add(first), self.second.add(second)
        self.n_tokens += n_tokens
        key, order = (one.token * self.n_pairs + one.feature).sort()
        wanted = other.token * self.n_pairs + other.feature
        place = torch.searchsorted(key, wanted).clamp_(max=len(key) - 1)
        is_both = key[place] == wanted if len(key) else torch.zeros(len(wanted), dtype=torch.bool)
        products = one.value[order[place[is_both]]] * other.value[is_both]
        self.products.index_add_(0, other.feature[is_both], products)

    def pearson(self) -> Float32[np.ndarray, "pair"]:
        """The correlation of each pair; NaN where one of the two is constant."""
        n_tokens = max(self.n_tokens, 1)
        covariance = self.products - self.first.sums * self.second.sums / n_tokens
        spread = (self.first.squared_deviations(n_tokens) * self.second.squared_deviations(n_tokens)).sqrt()
        correlation = torch.where(spread > 0, covariance / spread, torch.nan)
        return correlation.clamp(-1, 1).float().numpy()


class _Side:
    """The sums that are about one checkpoint only."""

    def __init__(self, features: Int64[np.ndarray, "pair"], n_features: int):
        self.pair = torch.full((n_features,), -1)
        self.pair[torch.from_numpy(features)] = torch.arange(len(features))
        self.sums, self.squares = torch.zeros(2, len(features), dtype=torch.float64)

    def add(self, active: ActiveFeatures) -> ActiveFeatures:
        """Adds the values of the features that are in a pair, and gives them by pair, in float64 on the CPU."""
        token, feature, value = (column.cpu() for column in active)
        pair = self.pair[feature]
        is_paired = pair >= 0
        token, pair, value = token[is_paired], pair[is_paired], value[is_paired].double()
        self.sums.index_add_(0, pair, value)
        self.squares.index_add_(0, pair, value * value)
        return ActiveFeatures(token, pair, value)

    def squared_deviations(self, n_tokens: int) -> Float64[Tensor, "pair"]:
        """Sum of the squared distances from the mean; 0 where the activation is constant."""
        deviations = self.squares - self.sums * self.sums / n_tokens
        return torch.where(deviations > CONSTANT * self.squares, deviations, 0)


@torch.no_grad()
def active_on(batch: ActivationBatch, sae: Encoder, amp_dtype: torch.dtype) -> ActiveFeatures:
    """What is active on the tokens of a batch that count, of which there is at least one, as an analysis encodes it."""
    n_positions = batch.tokens.shape[1]
    parts = []
    for encoded in encoded_contexts(batch, sae, amp_dtype):
        active = encoded.active
        token = encoded.context_idx[active.context] * n_positions + active.position
        parts.append(ActiveFeatures(token, active.feature, active.value))
    return ActiveFeatures(*(torch.cat(column) for column in zip(*parts, strict=True)))
