"""Vectors in memory: cosines as a plain product gives them, whatever is added or replaced in between."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.web.text_vectors import BLOCK, TextVectors

N_FEATURES = 9


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@given(
    puts=st.lists(st.lists(st.integers(0, N_FEATURES - 1), min_size=1, unique=True), max_size=6),
    n_expected=st.integers(0, N_FEATURES),
    n_dimensions=st.sampled_from([1, 3, 64]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_cosines_are_those_of_the_vectors_put_last(
    puts: list[list[int]], n_expected: int, n_dimensions: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    held = TextVectors(["a"] * n_expected + [""] * (N_FEATURES - n_expected), n_dimensions)
    expected = np.full((N_FEATURES, n_dimensions), np.nan)
    for features in puts:
        expected[features] = unit(rng, len(features), n_dimensions)
        held.put(features, ["text"] * len(features), expected[features].astype(np.float16))
    query = unit(rng, n_dimensions)
    np.testing.assert_allclose(held.cosines(query), expected @ query, atol=0.005)


def test_more_vectors_than_are_unpacked_at_once_are_compared() -> None:
    rng = np.random.default_rng(0)
    n_dimensions = 64
    vectors = unit(rng, 2 * BLOCK // n_dimensions + 5, n_dimensions)
    texts = [str(row) for row in range(len(vectors))]
    held = TextVectors(texts, n_dimensions)
    held.put(range(len(vectors)), texts, vectors.astype(np.float16))
    np.testing.assert_allclose(held.cosines(vectors[7]), vectors @ vectors[7], atol=0.002)


def test_text_is_missing_until_its_vector_is_here_and_again_once_it_is_another() -> None:
    held = TextVectors(["a", "", "c"], 2)
    assert held.missing(["a", "", "c"]) == [0, 2]
    held.put([0, 2], ["a", "c"], np.ones((2, 2), np.float16))
    assert held.missing(["a", "", "c"]) == []
    assert held.missing(["a", "new", "edited"]) == [1, 2]


def test_memory_is_two_bytes_a_number() -> None:
    assert TextVectors(["a"] * 1000, 256).n_bytes < 1000 * (2 * 256 + 32)
