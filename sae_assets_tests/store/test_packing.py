"""Packing loses nothing: what is read is what was written."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis.samples import FeatureSamples
from sae_assets.store.packing import packed_histogram, packed_subsamples
from sae_assets.store.unpacking import unpacked_histogram, unpacked_samples


@st.composite
def feature_samples(draw) -> FeatureSamples:
    """Samples with gaps, empty ones, and contexts beyond what two bytes count."""
    n_features, n_samples = draw(st.integers(0, 4)), draw(st.integers(1, 5))
    context_size = draw(st.sampled_from([1, 7, 300, 1 << 16, 1 << 17]))
    generator = np.random.default_rng(draw(st.integers(0, 10**6)))
    shape = (n_features, n_samples)
    context_idx = np.where(generator.random(shape) < 0.7, generator.integers(0, 1 << 40, shape), -1)
    n_active = np.where(context_idx >= 0, generator.integers(0, min(context_size, 20) + 1, shape), 0)
    positions = [np.sort(generator.choice(context_size, n, replace=False)) for n in n_active.ravel()]
    total = int(n_active.sum())
    return FeatureSamples(
        torch.from_numpy(context_idx),
        torch.from_numpy(generator.random(shape, np.float32)),
        torch.from_numpy(generator.integers(0, context_size, shape).astype(np.int32)),
        torch.full(shape, context_size, dtype=torch.int32),
        torch.from_numpy(np.concatenate([[0], n_active.ravel().cumsum()])),
        torch.from_numpy(np.concatenate([*positions, np.zeros(0)]).astype(np.int32)),
        torch.from_numpy(generator.random(total, np.float32)),
    )


@settings(max_examples=150, deadline=None)
@given(samples=feature_samples())
def test_samples_come_back_as_they_were(samples):
    packed = list(packed_subsamples("top_activations", samples))
    assert len(packed) == len(samples.context_idx)
    for feature, document in enumerate(packed):
        ranks = [rank for rank in range(samples.n_samples) if samples.context_idx[feature, rank] >= 0]
        unpacked = unpacked_samples(document)
        assert len(unpacked) == len(ranks)
        for rank, one in zip(ranks, unpacked, strict=True):
            active = samples.active(feature, rank)
            assert one.context_idx == samples.context_idx[feature, rank]
            assert one.peak == samples.peak[feature, rank]
            assert (one.start, one.stop) == (samples.start[feature, rank], samples.stop[feature, rank])
            np.testing.assert_array_equal(one.positions, active.positions)
            np.testing.assert_array_equal(one.values, active.values)


@given(counts=st.dictionaries(st.integers(0, 383), st.integers(1, 1 << 62)))
def test_histogram_comes_back_as_it_was(counts):
    histogram = torch.zeros(384, dtype=torch.int64)
    for place, count in counts.items():
        histogram[place] = count
    packed = packed_histogram(histogram)
    assert len(packed) == 10 * len(counts)
    np.testing.assert_array_equal(unpacked_histogram(packed, 384), histogram)
