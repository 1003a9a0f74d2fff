"""What endpoints say that an answer took: tokens and dollars, as far as they can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 2**53
"""Tokens or dollars of one answer that are believed."""


def count_in(counted: Mapping[str, Any], name: str) -> int:
    """A number of tokens; 0 where there is none."""
    count = counted.get(name)
    return count if isinstance(count, int) and _is_amount(count) else 0


def cost_in(counted: Mapping[str, Any]) -> float | None:
    """US dollars, as OpenRouter's `usage.cost`; None where no amount is named, as OpenAI names none."""
    cost = counted.get("cost")
    return float(cost) if isinstance(cost, int | float) and _is_amount(cost) else None


def _is_amount(value: float) -> bool:
    # NaN or less than nothing would undo a budget, and the store cannot keep what is larger than its numbers.
    return not isinstance(value, bool) and 0 <= value < MOST
