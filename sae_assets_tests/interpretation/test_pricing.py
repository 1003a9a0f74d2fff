"""What answers cost, by hand."""

from __future__ import annotations

import pytest

from sae_assets.interpretation.pricing import cost_of, price_for
from sae_assets.interpretation.records import Usage
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.prices import ModelPrice

PRICE = ModelPrice(input=2, output=10, cached_input=0.5)


def test_each_kind_of_token_has_its_price_for_a_million() -> None:
    assert cost_of(Usage(1, 1_000_000, 0), PRICE) == pytest.approx(2)
    assert cost_of(Usage(1, 0, 1_000_000), PRICE) == pytest.approx(10)
    assert cost_of(Usage(1, 1_000_000, 0, 1_000_000), PRICE) == pytest.approx(0.5)
    assert cost_of(Usage(3, 1000, 100, 400), PRICE) == pytest.approx((600 * 2 + 400 * 0.5 + 100 * 10) / 1e6)


def test_reread_tokens_cost_as_others_where_nothing_else_is_said() -> None:
    assert cost_of(Usage(1, 1000, 0, 400), ModelPrice(input=2, output=10)) == pytest.approx(0.002)


def test_batch_costs_half() -> None:
    usage = Usage(1, 1000, 100, 400)
    assert cost_of(usage, PRICE, is_batch=True) == pytest.approx((cost_of(usage, PRICE) or 0) / 2)


def test_what_the_endpoint_says_counts_before_the_table() -> None:
    for price in (PRICE, None):
        assert cost_of(Usage(1, 1000, 100, cost=0.125), price) == 0.125
        assert cost_of(Usage(1, 1000, 100, cost=0.0), price, is_batch=True) == 0.0


def test_cost_is_unknown_without_a_price_or_tokens() -> None:
    assert cost_of(Usage(1, 1000, 100), None) is None
    assert cost_of(Usage(1), PRICE) is None


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("gpt-x", "gpt-x"),
        ("gpt-x-2024-08-06", "gpt-x"),
        ("gpt-x-2025-01-01", "gpt-x-2025-01-01"),
        ("gpt-x-mini", None),
        ("gpt-x-mini-2024-08-06", None),
        ("gpt-x-preview-20240806", None),
        ("gpt", None),
        ("openai/gpt-x", None),
        ("2024-08-06", None),
        ("", None),
    ],
)
def test_price_is_found_by_the_name_or_the_name_without_its_date_only(model: str, known: str | None) -> None:
    prices = {"gpt-x": ModelPrice(input=1, output=1), "gpt-x-2025-01-01": ModelPrice(input=2, output=2)}
    assert price_for(AutoInterpConfig(openai_model=model, prices=prices)) == (prices[known] if known else None)


def test_free_model_costs_nothing_which_is_known() -> None:
    cfg = AutoInterpConfig(openai_model="local", prices={"local": ModelPrice(input=0, output=0)})
    assert cost_of(Usage(1, 1000, 100), price_for(cfg)) == 0.0
