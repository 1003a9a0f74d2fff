"""Correlations out of the active values equal those of the dense tables."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.changes import Pairs
from sae_assets.analysis.correlation import PairCorrelations, active_on
from sae_assets.dictionary.active_features import ActiveFeatures, active_where
from sae_assets_tests.analysis.brute_force import TableSAE


def sparse(n_tokens: int, n_features: int, generator: torch.Generator) -> torch.Tensor:
    values = torch.randn(n_tokens, n_features, generator=generator)
    return torch.where(values > 0.5, values, 0)


def active(dense: torch.Tensor, first: int = 0) -> ActiveFeatures:
    found = active_where(dense > 0, dense)
    return found._replace(token=found.token + first)


def some_pairs(n_first: int, n_second: int, seed: int) -> Pairs:
    rng = np.random.default_rng(seed)
    n_pairs = min(n_first, n_second) - 1
    return Pairs(rng.permutation(n_first)[:n_pairs], rng.permutation(n_second)[:n_pairs], np.zeros(n_pairs, np.float32))


def dense_correlation(one: torch.Tensor, other: torch.Tensor, pairs: Pairs) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = zip(one.double().numpy().T[pairs.first], other.double().numpy().T[pairs.second], strict=True)
        return np.array([np.corrcoef(a, b)[0, 1] for a, b in columns], np.float32)


@settings(max_examples=50, deadline=None)
@given(
    n_tokens=st.integers(2, 40),
    n_first=st.integers(1, 12),
    n_second=st.integers(1, 12),
    n_parts=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
def test_correlation_equals_that_of_the_dense_tables(n_tokens, n_first, n_second, n_parts, seed):
    generator = torch.Generator().manual_seed(seed)
    one, other = (sparse(n_tokens, n, generator) for n in (n_first, n_second))
    pairs = some_pairs(n_first, n_second, seed)
    sums = PairCorrelations(pairs, n_first, n_second)
    for part in torch.arange(n_tokens).tensor_split(n_parts):
        rows = slice(int(part[0]), int(part[-1]) + 1) if len(part) else slice(0, 0)
        sums.add(active(one[rows], rows.start), active(other[rows], rows.start), len(part))
    np.testing.assert_allclose(sums.pearson(), dense_correlation(one, other, pairs), atol=1e-6)


def test_a_constant_activation_has_no_correlation():
    always, sometimes, never = torch.full((9, 1), 0.1), torch.eye(9)[:, :1], torch.zeros(9, 1)
    one, other = torch.cat([always, never, sometimes], 1), torch.cat([sometimes] * 3, 1)
    pairs = Pairs(np.arange(3), np.arange(3), np.ones(3, np.float32))
    sums = PairCorrelations(pairs, 3, 3)
    sums.add(active(one), active(other), 9)
    np.testing.assert_array_equal(sums.pearson(), [np.nan, np.nan, 1])


def test_without_tokens_nothing_is_known():
    pairs = Pairs(np.arange(2), np.arange(2), np.ones(2, np.float32))
    assert np.isnan(PairCorrelations(pairs, 2, 2).pearson()).all()


@pytest.mark.parametrize("d_sae", [5, 3000])
def test_active_values_are_those_of_the_tokens_that_count(d_sae):
    generator = torch.Generator().manual_seed(1)
    activations = torch.randn(6, 10, 4, generator=generator)
    mask = torch.rand(6, 10, generator=generator) > 0.4
    context_idx = torch.tensor([3, 5, 8, 13, 21, 34])
    sae = TableSAE(4, d_sae, 0, -1.0)
    batch = ActivationBatch(context_idx, torch.zeros(6, 10, dtype=torch.int64), mask, activations)
    found = active_on(batch, sae, torch.float32)
    dense = torch.zeros(40 * 10, d_sae)
    dense[found.token, found.feature] = found.value
    expected = torch.zeros(40, 10, d_sae)
    expected[context_idx] = sae.encode(activations) * mask[:, :, None]
    torch.testing.assert_close(dense, expected.view(-1, d_sae))
    assert len(found.value) == int((expected > 0).sum())
