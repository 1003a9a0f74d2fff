"""Money and tokens as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.amounts import dollars, stored_usage, tokens_of, usage_in_words
from sae_assets.interpretation.records import Usage


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (None, "unknown cost"),
        (0.0, "$0"),
        (0.000421, "$0.00042"),
        (0.0834, "$0.083"),
        (0.0999, "$0.10"),
        (0.5, "$0.50"),
        (0.996, "$1.00"),
        (12.345, "$12.35"),
        (999.999, "$1,000"),
        (1234.5, "$1,234"),
    ],
)
def test_a_cost_has_cents_and_below_them_two_digits_that_count(cost, text):
    assert dollars(cost) == text


@given(st.floats(1e-9, 1e9))
def test_a_cost_is_told_to_within_a_twentieth_and_never_as_nothing(cost):
    assert float(dollars(cost).removeprefix("$").replace(",", "")) == pytest.approx(cost, rel=0.05)


def test_tokens_are_those_of_prompts_and_answers():
    assert tokens_of(Usage(3, 100, 10, 50)) == 110


def test_usage_is_one_line_with_its_cost_where_that_is_known():
    assert usage_in_words(Usage(1, 1200, 34)) == "1 request, 1,200 tokens of prompts and 34 of answers"
    assert usage_in_words(Usage(2, 100, 10, cost=0.5)) == "2 requests, 100 tokens of prompts and 10 of answers, $0.50"


def test_usage_of_any_version_of_the_package_can_be_read():
    assert stored_usage({"requests": 3, "from_the_future": 1}) == Usage(3)
    assert stored_usage(Usage(3, 100, 10, 5, 0.25, 1)._asdict()) == Usage(3, 100, 10, 5, 0.25, 1)
