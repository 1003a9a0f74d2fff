"""Vectors on disk: the same in later runs, beside the replies, and never taken for those of another model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.asking import Reply
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.vector_cache import MOST_KEYS, KnownVector, VectorCache, vector_key
from sae_assets.settings import UserError
from sae_assets.settings.embedding import EmbeddingConfig

VECTOR = np.array([0.6, -0.8], np.float32)


def same(one: KnownVector, other: KnownVector) -> bool:
    return one[1:] == other[1:] and np.array_equal(one.vector, other.vector)  # type: ignore[arg-type]


def test_vectors_come_back_as_they_were_also_in_a_later_run(tmp_path: Path) -> None:
    every = {b"a": KnownVector(VECTOR, 12.5, 0.25), b"b": KnownVector(None, 0, None), b"c": KnownVector(-VECTOR, 1, 0)}
    path = tmp_path / "new" / "answers.sqlite"
    with VectorCache(path) as cache:
        assert cache.get([b"a"]) == {}
        assert not path.exists()
        cache.put(every)
        found = cache.get([*every, b"d"])
        assert found.keys() == every.keys()
        assert all(same(found[key], every[key]) for key in every)
    with VectorCache(path) as cache:
        found = cache.get(every)
        assert all(same(found[key], every[key]._replace(is_new=False)) for key in every)
        assert found[b"b"].vector is None


def test_what_is_asked_for_anew_takes_the_place_of_what_was_known(tmp_path: Path) -> None:
    with VectorCache(tmp_path / "f") as cache:
        cache.put({b"a": KnownVector(VECTOR, 1, 1)})
    with VectorCache(tmp_path / "f", only_new=True) as cache:
        assert cache.get([b"a"]) == {}
        cache.put({b"a": KnownVector(-VECTOR, 2, 2)})
        assert same(cache.get([b"a"])[b"a"], KnownVector(-VECTOR, 2, 2))


def test_many_vectors_at_once(tmp_path: Path) -> None:
    every = {bytes([n // 256, n % 256]): KnownVector(VECTOR * n, n, None) for n in range(2 * MOST_KEYS + 1)}
    with VectorCache(tmp_path / "f") as cache:
        cache.put(every)
        assert {key: one.tokens for key, one in cache.get(every).items()} == {k: v.tokens for k, v in every.items()}


@pytest.mark.parametrize("is_first", [True, False])
def test_vectors_and_replies_lie_in_one_file(tmp_path: Path, is_first: bool) -> None:
    reply = Reply("text", "m", Usage(1))
    with VectorCache(tmp_path / "f") as vectors, AnswerCache(tmp_path / "f") as answers:
        if is_first:
            answers.put("a", reply)
        vectors.put({b"a": KnownVector(VECTOR, 1, None)})
        answers.put("a", reply)
        assert answers.get("a") == reply
        assert vectors.get([b"a"]).keys() == {b"a"}


def test_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("no database, but long enough for one to be looked for" * 9)
    with pytest.raises(UserError, match=r"^The cache of answers .* cannot be used"):
        VectorCache(tmp_path / "f").get([b"a"])


CONFIGS = st.builds(
    EmbeddingConfig, model=st.sampled_from(["m", "m2"]), dimensions=st.sampled_from([None, 1, 2]), api_key=st.none()
)


@given(CONFIGS, CONFIGS, st.text(), st.text())
def test_keys_are_equal_exactly_where_the_same_vector_is_asked_for(
    one: EmbeddingConfig, other: EmbeddingConfig, text: str, another: str
) -> None:
    is_same = (one.model, one.dimensions, text) == (other.model, other.dimensions, another)
    assert (vector_key(one, text) == vector_key(other, another)) == is_same
    assert vector_key(one, text) == vector_key(one.model_copy(update={"base_url": "http://elsewhere"}), text)
    assert len(vector_key(one, "\ud800")) == 16
