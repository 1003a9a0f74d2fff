"""What was asked of models, in words that people read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sae_assets.interpretation.records import Usage


def dollars(cost: float | None) -> str:
    """`$1,234`, `$12.30`, `$0.083`, `$0.00042`: two digits that count below a dollar, and `unknown cost` for none."""
    if cost is None:
        return "unknown cost"
    if cost <= 0:
        return "$0"
    if cost >= 999.995:
        return f"${cost:,.0f}"
    rounded = cost if cost >= 1 else float(f"{cost:.2g}")
    digits = max(2, 1 - math.floor(math.log10(rounded)))
    return f"${rounded:.{digits}f}"


def tokens_of(usage: Usage) -> int:
    """Tokens of prompts and answers together."""
    return usage.prompt_tokens + usage.completion_tokens


def usage_in_words(usage: Usage) -> str:
    """`7 requests, 1,200 tokens of prompts and 34 of answers, $0.00042`; no cost where it is not known."""
    requests = f"{usage.requests:,} request{'' if usage.requests == 1 else 's'}"
    tokens = f"{usage.prompt_tokens:,} tokens of prompts and {usage.completion_tokens:,} of answers"
    return ", ".join([requests, tokens] if usage.cost is None else [requests, tokens, dollars(usage.cost)])


def stored_usage(stored: Mapping[str, Any]) -> Usage:
    """Out of a document; what it lacks is 0, and what another version of the package kept beside is left out."""
    return Usage(**{name: stored[name] for name in Usage._fields if name in stored})
