"""Pages out of a list whose rest is never sorted, against sorting all of it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.ordering import Ordering

LISTS = st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf]), max_size=30)


def ordering_of(keys: list[float]) -> Ordering:
    return Ordering(np.arange(len(keys)) * 3, np.array(keys, float))


def sorted_places(keys: list[float]) -> list[tuple[float, int]]:
    return sorted((key, 3 * place) for place, key in enumerate(keys))


@given(LISTS, st.integers(1, 40))
def test_the_first_page_is_the_beginning_of_the_sorted_list(keys: list[float], n: int):
    assert ordering_of(keys).first(n).tolist() == [index for _, index in sorted_places(keys)[:n]]


@given(LISTS, st.integers(1, 40), st.sampled_from([-np.inf, 0.0, 0.7, np.inf]), st.integers(-2, 100))
def test_pages_begin_at_any_place_whether_or_not_a_feature_stands_there(
    keys: list[float], n: int, key: float, index: int
):
    places = sorted_places(keys)
    before, after = [p for p in places if p < (key, index)], [p for p in places if p > (key, index)]
    ordering = ordering_of(keys)
    assert ordering.after(key, index, n).tolist() == [index for _, index in after[:n]]
    assert ordering.before(key, index, n).tolist() == [index for _, index in before[-n:]]
    assert ordering.n_before(key, index) == len(before)


@given(LISTS, st.integers(0, 100))
def test_the_key_of_a_feature_is_found_by_its_index(keys: list[float], index: int):
    known = {index: key for key, index in sorted_places(keys)}
    assert ordering_of(keys).key_of(index) == known.get(index)
