"""Norms, cosines and nearest decoders equal brute force; ties, zeros and small dictionaries are decided."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis import geometry as module
from sae_assets.analysis.geometry import DictionaryGeometry, dictionary_geometry
from sae_assets.engine.progress import Step
from sae_assets.settings import UserError


def axis_vectors(n_features: int, d_model: int, seed: int) -> torch.Tensor:
    """Vectors along the axes, some of them zero: their cosines are exactly -1, 0 or 1, so that there are many ties."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.randint(0, d_model, (n_features,), generator=generator)
    length = torch.randint(-2, 3, (n_features,), generator=generator).float()
    return torch.nn.functional.one_hot(axis, d_model) * length[:, None]


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=-1, keepdims=True), np.linalg.norm(other, axis=-1, keepdims=True)
    one, other = (x / np.where(length > 0, length, 1) for x, length in zip((one, other), lengths, strict=True))
    return one @ other.T


def assert_same(one: DictionaryGeometry, other: DictionaryGeometry) -> None:
    for name in ("decoder_norm", "encoder_norm", "cosine", "neighbour_idx", "neighbour_cosine"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


shapes = st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 12), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(case=shapes)
def test_norms_and_cosines_equal_brute_force(case):
    n_features, d_model, n_neighbours, seed = case
    generator = torch.Generator().manual_seed(seed)
    decoder = torch.randn(n_features, d_model, generator=generator)
    encoder = torch.randn(d_model, n_features, generator=generator)
    result = dictionary_geometry(encoder, decoder, n_neighbours)
    exact_decoder, exact_encoder = decoder.double().numpy(), encoder.double().numpy().T
    np.testing.assert_allclose(result.decoder_norm, np.linalg.norm(exact_decoder, axis=1), rtol=1e-5)
    np.testing.assert_allclose(result.encoder_norm, np.linalg.norm(exact_encoder, axis=1), rtol=1e-5)
    np.testing.assert_allclose(result.cosine, np.diagonal(cosines(exact_encoder, exact_decoder)), atol=1e-5)
    table = cosines(exact_decoder, exact_decoder)
    np.fill_diagonal(table, -np.inf)
    n_others = min(n_neighbours, n_features - 1)
    nearest = -np.sort(-table, axis=1)[:, :n_others]
    np.testing.assert_allclose(result.neighbour_cosine[:, :n_others], nearest, atol=1e-5)
    chosen = np.take_along_axis(table, result.neighbour_idx[:, :n_others].numpy(), axis=1)
    np.testing.assert_allclose(chosen, nearest, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(case=shapes)
def test_ties_go_to_the_smaller_index_and_zero_decoders_have_cosine_zero(case):
    n_features, d_model, n_neighbours, seed = case
    decoder, encoder = axis_vectors(n_features, d_model, seed), axis_vectors(n_features, d_model, seed + 1).T
    result = dictionary_geometry(encoder, decoder, n_neighbours)
    table = cosines(decoder.numpy(), decoder.numpy())
    np.fill_diagonal(table, -np.inf)
    order = np.argsort(-table, axis=1, kind="stable")[:, : min(n_neighbours, n_features - 1)]
    expected_idx, expected_cosine = np.full((n_features, n_neighbours), -1), np.zeros((n_features, n_neighbours))
    expected_idx[:, : order.shape[1]] = order
    expected_cosine[:, : order.shape[1]] = np.take_along_axis(table, order, axis=1)
    np.testing.assert_array_equal(result.neighbour_idx, expected_idx)
    np.testing.assert_array_equal(result.neighbour_cosine, expected_cosine)
    np.testing.assert_array_equal(result.cosine, np.diagonal(cosines(encoder.numpy().T, decoder.numpy())))


def test_result_does_not_depend_on_the_block_size(monkeypatch):
    decoder, encoder = axis_vectors(37, 5, 0), axis_vectors(37, 5, 1).T
    whole = dictionary_geometry(encoder, decoder)
    for n_rows in (1, 5, 36):
        monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 37 * n_rows)
        assert_same(dictionary_geometry(encoder, decoder), whole)


def test_no_feature_is_its_own_neighbour():
    decoder = torch.ones(20, 3)
    result = dictionary_geometry(decoder.T, decoder, 19)
    expected = [[other for other in range(20) if other != feature] for feature in range(20)]
    assert result.neighbour_idx.tolist() == expected
    assert (result.neighbour_cosine <= 1).all()


def test_weights_in_half_precision_are_taken():
    decoder = axis_vectors(8, 3, 0)
    assert_same(dictionary_geometry(decoder.T.bfloat16(), decoder.bfloat16()), dictionary_geometry(decoder.T, decoder))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_weight_that_is_not_finite_is_refused(bad):
    decoder = torch.ones(4, 3)
    decoder[2, 1] = bad
    with pytest.raises(UserError, match="decoder of feature 2 has a NaN or infinite weight"):
        dictionary_geometry(torch.ones(3, 4), decoder)


def test_progress_reaches_the_total():
    steps: list[Step] = []
    dictionary_geometry(torch.ones(3, 7), torch.ones(7, 3), progress=steps.append)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, 7, 7)
