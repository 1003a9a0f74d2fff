"""The query of a list, as chips, headers and links of its page."""

from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.pages.filters import as_text, chips, header
from sae_assets.web.query import FeatureQuery

NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
ANSWERS = st.none() | st.booleans()
QUERIES = st.builds(
    FeatureQuery,
    q=WORDS,
    min_density=NUMBERS,
    max_act=NUMBERS,
    min_log_density=NUMBERS,
    scorer=WORDS,
    max_score=NUMBERS,
    state=st.sampled_from(["all", "alive", "dead"]),
    bookmarked=ANSWERS,
    explained=ANSWERS,
    list=WORDS,
    tag=WORDS,
    sort=st.sampled_from([None, "index", "density", "score"]),
    order=st.sampled_from([None, "asc", "desc"]),
    cursor=st.sampled_from([None, "abc"]),
)


def read(text: str) -> FeatureQuery:
    return FeatureQuery(**dict(parse_qsl(text, keep_blank_values=True)))  # pyright: ignore[reportArgumentType]


@given(QUERIES)
def test_a_link_holds_the_query_from_its_first_page_on(query: FeatureQuery):
    assert read(as_text(query)) == query.model_copy(update={"cursor": None})


@given(QUERIES)
def test_each_chip_takes_one_filter_away_and_nothing_else(query: FeatureQuery):
    places = {"sort", "order", "cursor"}
    on = query.model_dump(exclude_defaults=True, exclude=places)
    removed = [
        on.items() - read(chip.without).model_dump(exclude_defaults=True, exclude=places).items()
        for chip in chips(query)
    ]
    assert [{name: value} for name, value in on.items()] == [dict(one) for one in removed]


@given(QUERIES.filter(lambda query: query.sorted_by != "relevance"))
def test_a_click_on_the_sorted_column_turns_the_order_and_a_second_one_turns_it_back(query: FeatureQuery):
    column = query.sorted_by
    once = read(header(query, column).query)
    assert once.sorted_by == column and once.is_ascending != query.is_ascending
    twice = read(header(once, column).query)
    assert twice.sorted_by == column and twice.is_ascending == query.is_ascending


def test_a_click_on_another_column_begins_with_the_largest_and_on_the_index_with_the_smallest():
    query = FeatureQuery(q="river", sort="density", order="asc")
    assert header(query, "density").direction == "ascending"
    assert header(query, "max_act").direction is None
    assert not read(header(query, "max_act").query).is_ascending
    assert read(header(query, "index").query).is_ascending


def test_chips_say_what_stays():
    query = FeatureQuery(q="<b>", min_log_density=-3.25, max_score=0.123456, bookmarked=False, state="dead", list="a b")
    assert [chip.label for chip in chips(query)] == [
        "contains “<b>”",
        "log₁₀ density at least -3.25",
        "score below 0.1235",
        "dead",
        "not bookmarked",
        "in the list “a b”",
    ]
