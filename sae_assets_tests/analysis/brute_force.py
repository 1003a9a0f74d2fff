"""The definitions of DESIGN 6 written down as plainly as can be, over dense arrays that fit in memory."""

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt

import numpy as np
import torch

from sae_assets.activations import ActivationBatch
from sae_assets.analysis import reference_tokens
from sae_assets.analysis.hashing import context_hash
from sae_assets.analysis.magnitude import PEAKS
from sae_assets.analysis.silence import N_REFERENCE
from sae_assets.dictionary.active_features import ActiveFeatures, active_where


class TableSAE:
    """An SAE whose features are looked up: activations of width d_model go through one fixed random map and a ReLU."""

    is_batch_dependent = False

    def __init__(self, d_model: int, d_sae: int, seed: int, bias: float = -1.0):
        generator = torch.Generator().manual_seed(seed)
        self.d_model, self.d_sae = d_model, d_sae
        # Eighths, so that every sum of products is exact in float32 whatever the order of adding.
        self.weights = torch.randn(d_model, d_sae, generator=generator).mul(8).round().div(8)
        self.bias = bias

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x @ self.weights + self.bias)

    def active_features(self, x: torch.Tensor, amp_dtype: torch.dtype = torch.float32) -> ActiveFeatures:
        features = self.encode(x)
        return active_where(features > 0, features)


@dataclass
class Dense:
    """All activations of some contexts, with what counts."""

    context_idx: np.ndarray
    acts: np.ndarray
    mask: np.ndarray

    @property
    def counted(self) -> np.ndarray:
        return np.where(self.mask[:, :, None], self.acts, 0.0)

    @property
    def peaks(self) -> np.ndarray:
        return self.counted.max(1)


def dense(batch: ActivationBatch, sae: TableSAE) -> Dense:
    clean = torch.where(batch.mask[:, :, None], batch.activations, 0.0)
    acts = torch.stack([sae.encode(context) for context in clean])
    return Dense(batch.context_idx.numpy(), acts.numpy(), batch.mask.numpy())


def top_contexts(data: Dense, feature: int, n: int) -> list[tuple[int, float]]:
    rows = [(-float(p), int(c)) for c, p in zip(data.context_idx, data.peaks[:, feature], strict=True) if p > 0]
    return [(c, -p) for p, c in sorted(rows)[:n]]


def band_contexts(data: Dense, feature: int, lower: float, upper: float, n: int, seed: int) -> set[int]:
    peaks = data.peaks[:, feature]
    maximum = float(peaks.max())
    hashes = context_hash(torch.from_numpy(data.context_idx), seed).numpy()
    bins = PEAKS.of(torch.from_numpy(np.maximum(peaks, 1e-30).astype(np.float32))).numpy()
    rows = [(int(bins[i]), int(hashes[i]), int(data.context_idx[i]), float(peaks[i])) for i in range(len(peaks))]
    rows = sorted(row for row in rows if row[3] > 0)
    kept = [row for b in {row[0] for row in rows} for row in [r for r in rows if r[0] == b][:n]]
    inside = sorted((h, c) for _, h, c, p in kept if lower * maximum < p <= upper * maximum)
    return {c for _, c in inside[:n]}


def silent_contexts(data: Dense, feature: int, n: int, seed: int) -> list[int]:
    with_tokens = data.mask.any(1)
    context_idx, peaks = data.context_idx[with_tokens], data.peaks[with_tokens, feature]
    hashes = context_hash(torch.from_numpy(context_idx), seed).numpy()
    reference = sorted(zip(hashes.tolist(), context_idx.tolist(), peaks.tolist(), strict=True))[:N_REFERENCE]
    return [c for _, c, p in reference if p == 0][:n]


def coactive_neighbours(is_active: np.ndarray, feature: int, n: int) -> list[tuple[int, float]]:
    """The nearest by n_fg / sqrt(n_f n_g) of what is active on tokens (rows), with exact fractions."""
    counts = is_active.astype(int).T @ is_active.astype(int)
    squared = {
        other: Fraction(int(counts[feature, other]) ** 2, int(counts[feature, feature] * counts[other, other]))
        for other in range(is_active.shape[1])
        if other != feature and counts[feature, other] >= 2
    }
    nearest = sorted(squared, key=lambda other: (-squared[other], other))[:n]
    return [(other, float(np.float32(sqrt(squared[other])))) for other in nearest]


def reference_rows(data: Dense, seed: int) -> list[int]:
    """The contexts of smallest hash, up to the first with which there are `MOST_PAIRS`."""
    hashes = context_hash(torch.from_numpy(data.context_idx), seed).tolist()
    n_active = (data.counted > 0).sum(2)
    n_active[n_active > reference_tokens.MOST_ON_TOKEN] = 0
    n_pairs = (n_active * np.maximum(n_active, reference_tokens.FEWEST_PAIRS)).sum(1)
    rows = []
    for _, _, row in sorted(zip(hashes, data.context_idx.tolist(), range(len(hashes)), strict=True)):
        if n_pairs[rows].sum() < reference_tokens.MOST_PAIRS:
            rows.append(row)
    return rows


def reference_activity(data: Dense, seed: int) -> np.ndarray:
    """What is active on each reference token."""
    is_active = (data.counted[reference_rows(data, seed)] > 0).reshape(-1, data.acts.shape[2])
    return is_active[is_active.sum(1) <= reference_tokens.MOST_ON_TOKEN]
