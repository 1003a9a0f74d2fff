"""Numbers and times as a person reads them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sae_assets.interpretation.amounts import stored_usage, usage_in_words


def count(value: int | None) -> str:
    """`262,144`."""
    return "–" if value is None else f"{value:,}"


def short_count(value: int | None) -> str:
    """`262k`, `1.3M`: three digits at most."""
    if value is None:
        return "–"
    size, unit = float(value), ""
    for larger in ("k", "M", "G", "T", "P"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{value}" if not unit else f"{size:.3g}{unit}"


def number(value: float | None) -> str:
    """`0.0123`, `4.57`, `123`: three digits that count."""
    if value is None:
        return "–"
    if value != 0 and not 1e-3 <= abs(value) < 1e5:
        return f"{value:.2e}"
    size = abs(round(value, 3))
    digits = 3 - len(str(int(size))) if size >= 1 else 3
    return f"{value:,.{max(digits, 0)}f}"


def share(value: float | None) -> str:
    """A share of 1 as `0.34 %`, with two digits that count; what is rarer than 1 in 100,000 as `1.2e-06`."""
    if value is None:
        return "–"
    if 0 < value < 1e-5:
        return f"{value:.1e}"
    percent = 100 * value
    digits = 0 if percent >= 10 or percent == 0 else 1 if percent >= 1 else 2 if percent >= 0.1 else 3
    return f"{percent:.{digits}f} %"


def score(value: float | None) -> str:
    """`0.86`."""
    return "–" if value is None else f"{value:.2f}"


def moment(value: datetime | None) -> str:
    """`24 Nov 2026, 13:05 UTC`; the page's script says it in local time."""
    return "–" if value is None else f"{value.day} {value:%b %Y, %H:%M} UTC"


def spent(usage: dict[str, Any]) -> str:
    """`7 requests, 1,200 tokens of prompts and 34 of answers, $0.00042`; empty where it is not known."""
    return usage_in_words(stored_usage(usage)) if usage else ""


def sign(value: float) -> str:
    """A number with its sign: `+1.23`, `−0.40`."""
    return f"{value:+.2f}".replace("-", "−")
