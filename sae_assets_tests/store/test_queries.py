"""Every filter that can be written gives on the server what a plain loop gives."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import ASCENDING

from sae_assets.store.queries import Where, where

FIELDS = ("sae", "level", "index")
VALUES = {"sae": st.sampled_from(["a", "a/b", "b", "学", ""]), "level": st.integers(-2, 6), "index": st.integers(0, 40)}
Condition = tuple[Callable[[Where], Where], Callable[[dict[str, Any]], bool]]


def equal(field: str, value: Any) -> Condition:
    return lambda query: Where({**query.filter, **where(**{field: value}).filter}), lambda one: one[field] == value


def among(field: str, values: list[Any]) -> Condition:
    return lambda query: query.among(field, values), lambda one: one[field] in values


def between(field: str, start: int, length: int) -> Condition:
    return lambda query: query.between(field, start, start + length), lambda one: start <= one[field] < start + length


def condition(field: str) -> st.SearchStrategy[Condition | None]:
    value = VALUES[field]
    kinds = [
        st.none(),
        value.map(lambda v: equal(field, v)),
        st.lists(value, max_size=4).map(lambda v: among(field, v)),
    ]
    if field != "sae":
        kinds.append(st.tuples(value, st.integers(-1, 20)).map(lambda v: between(field, *v)))
    return st.one_of(kinds)


@pytest.fixture
def filled(store):
    """Documents under a compound index and twice as many without an index of their own."""
    documents = [
        {"_id": f"{sae}-{level}-{index}", "sae": sae, "level": level, "index": index}
        for sae in ("a", "a/b", "学", "")
        for level in range(5)
        for index in range(0, 36, 3)
    ]
    store["grid"].create_index([(field, ASCENDING) for field in FIELDS], unique=True)
    store["grid"].insert_many(documents)
    return store["grid"], documents


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conditions=st.tuples(*map(condition, FIELDS)))
def test_filters_equal_a_plain_loop(filled, conditions):
    collection, documents = filled
    query = where()
    matches = documents
    for one in conditions:
        if one is not None:
            extend, is_met = one
            query = extend(query)
            matches = list(filter(is_met, matches))
    expected = sorted(one["_id"] for one in matches)
    assert sorted(one["_id"] for one in collection.find(query.filter)) == expected
    assert sorted(one["_id"] for one in collection.aggregate([{"$match": query.filter}])) == expected
    assert collection.count_documents(query.filter) == len(expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conditions=st.tuples(*map(condition, FIELDS)))
def test_deleting_takes_what_the_filter_says_and_no_more(store, conditions):
    documents = [
        {"_id": f"{sae}-{level}-{index}", "sae": sae, "level": level, "index": index}
        for sae in ("a", "a/b")
        for level in range(4)
        for index in range(0, 40, 5)
    ]
    store["grid"].create_index([(field, ASCENDING) for field in FIELDS], unique=True)
    store["grid"].delete_many(where().filter)
    store["grid"].insert_many(documents)
    query = where()
    for one in conditions:
        if one is not None:
            query = one[0](query)
    left = [one for one in documents if not all(met is None or met[1](one) for met in conditions)]
    store["grid"].delete_many(query.filter)
    assert sorted(one["_id"] for one in store["grid"].find(where().filter)) == sorted(one["_id"] for one in left)


@pytest.mark.parametrize("value", [{"$gt": ""}, ["a"], 0.5, b"a"])
def test_operator_cannot_come_in_as_a_value(value):
    with pytest.raises(TypeError, match="a plain value"):
        where(sae=value)
    with pytest.raises(TypeError, match="a plain value"):
        where().among("sae", [value])
    with pytest.raises(TypeError, match="a plain value"):
        where().between("sae", value, 3)


def test_a_second_condition_on_a_field_is_refused():
    with pytest.raises(ValueError, match="'index' has a condition already"):
        where(index=3).between("index", 0, 2)
