"""Numbers and times as a person reads them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.pages import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.000"),
        (0.0123, "0.012"),
        (0.9999, "1.00"),
        (4.567, "4.57"),
        (45.67, "45.7"),
        (114.2, "114"),
        (12345.6, "12,346"),
        (2e-6, "2.00e-06"),
        (-0.5, "-0.500"),
    ],
)
def test_a_number_has_three_digits_that_count(value, text):
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.0334, "3.3 %"),
        (0.0034, "0.34 %"),
        (0.00061, "0.061 %"),
        (1.2e-6, "1.2e-06"),
    ],
)
def test_a_share_is_in_percent_unless_it_is_tiny(value, text):
    assert formats.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (7, "7"), (999, "999"), (1000, "1k"), (400_000, "400k"), (1_310_720, "1.31M")]
)
def test_a_short_count_has_three_digits_at_most(value, text):
    assert formats.short_count(value) == text


@given(st.integers(0, 10**15))
def test_a_short_count_never_shows_an_exponent(value):
    assert "e" not in formats.short_count(value)


def test_signs_and_times():
    assert formats.sign(-0.4) == "−0.40" and formats.sign(1.234) == "+1.23"
    assert formats.moment(datetime(2026, 11, 4, 3, 5, tzinfo=UTC)) == "4 Nov 2026, 03:05 UTC"
    assert formats.count(262_144) == "262,144" and formats.score(0.864) == "0.86"


def test_what_an_explanation_took_is_one_line_and_nothing_where_it_is_not_known():
    usage = {"requests": 7, "prompt_tokens": 1200, "completion_tokens": 34, "cost": 0.00042, "of_another_version": 1}
    assert formats.spent(usage) == "7 requests, 1,200 tokens of prompts and 34 of answers, $0.00042"
    assert formats.spent({}) == ""
