"""Vectors are found again by their ids, exactly as float16, and are written once."""

import numpy as np

from sae_assets.store.connection import Store
from sae_assets.store.embeddings import VECTORS_AT_A_TIME, save_vectors, stored_vectors


def some_vectors(ids: list[str], seed: int = 0) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(seed).standard_normal((len(ids), 4)).astype(np.float16)
    return dict(zip(ids, rows, strict=True))


def test_vectors_are_found_by_their_ids_however_many(store: Store):
    vectors = some_vectors([f"{number:x}" for number in range(2 * VECTORS_AT_A_TIME + 1)])
    save_vectors(store, vectors)
    found = stored_vectors(store, ["none", *vectors])
    assert found.keys() == vectors.keys()
    assert all(np.array_equal(found[one], vectors[one]) for one in vectors)


def test_what_is_not_stored_is_not_found(store: Store):
    assert stored_vectors(store, ["a"]) == {}
    save_vectors(store, some_vectors(["a", "b"]))
    assert stored_vectors(store, ["b", "c"]).keys() == {"b"}
    assert stored_vectors(store, []) == {}


def test_vector_that_is_there_stays_and_its_neighbours_are_written(store: Store):
    first, second = some_vectors(["a", "b"]), some_vectors(["b", "c"], seed=1)
    save_vectors(store, first)
    save_vectors(store, second)
    found = stored_vectors(store, ["a", "b", "c"])
    expected = {**second, **first}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[one], expected[one]) for one in expected)
