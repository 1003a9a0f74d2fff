"""What an answer cost, by the endpoint's own word or the table of prices."""

from __future__ import annotations

import re

from sae_assets.interpretation.records import Usage
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.prices import ModelPrice

MILLION = 1_000_000
BATCH_SHARE = 0.5
"""Share of the price that OpenAI asks for a batch."""

_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}")


def price_for(cfg: AutoInterpConfig, model: str | None = None) -> ModelPrice | None:
    """The price of a model: of the one that explains where none is named.

    A dated name, "gpt-4o-2024-08-06", has the price of the plain one. None where the table has neither: nothing nearer
    is guessed, as "gpt-4o" and "gpt-4o-audio" cost differently.
    """
    model = model or cfg.openai_model
    plain = model[:-11] if _DATE.fullmatch(model[-11:]) else model
    return cfg.prices.get(model, cfg.prices.get(plain))


def cost_of(usage: Usage, price: ModelPrice | None, *, is_batch: bool = False) -> float | None:
    """US dollars for what was asked; what the endpoint itself says it cost counts before any table.

    None where neither says, also where there is a price but the endpoint counts no tokens.
    """
    if usage.cost is not None:
        return usage.cost
    if price is None or usage.prompt_tokens + usage.completion_tokens == 0:
        return None
    reread = min(usage.reread_tokens, usage.prompt_tokens)
    price_of_reread = price.input if price.cached_input is None else price.cached_input
    cost = (
        (usage.prompt_tokens - reread) * price.input + reread * price_of_reread + usage.completion_tokens * price.output
    ) / MILLION
    return cost * BATCH_SHARE if is_batch else cost
