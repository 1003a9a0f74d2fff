"""What language models and embedding models cost by the token."""

from __future__ import annotations

from pydantic import Field

from sae_assets.settings.base import Settings


class ModelPrice(Settings):
    """The price of a model in US dollars for a million tokens."""

    input: float = Field(ge=0)
    """Tokens of prompts."""
    output: float = Field(ge=0)
    """Tokens of answers, reasoning included."""
    cached_input: float | None = Field(default=None, ge=0)
    """Tokens of prompts that the endpoint has in its own cache; as `input` where not set."""


LIST_PRICES = {
    "gpt-3.5-turbo": ModelPrice(input=0.5, output=1.5),
    "gpt-4o": ModelPrice(input=2.5, output=10, cached_input=1.25),
    "gpt-4o-mini": ModelPrice(input=0.15, output=0.6, cached_input=0.075),
    "gpt-4.1": ModelPrice(input=2, output=8, cached_input=0.5),
    "gpt-4.1-mini": ModelPrice(input=0.4, output=1.6, cached_input=0.1),
    "gpt-4.1-nano": ModelPrice(input=0.1, output=0.4, cached_input=0.025),
    "gpt-5": ModelPrice(input=1.25, output=10, cached_input=0.125),
    "gpt-5-mini": ModelPrice(input=0.25, output=2, cached_input=0.025),
    "gpt-5-nano": ModelPrice(input=0.05, output=0.4, cached_input=0.005),
    "text-embedding-3-large": ModelPrice(input=0.13, output=0),
    "text-embedding-3-small": ModelPrice(input=0.02, output=0),
    "text-embedding-ada-002": ModelPrice(input=0.1, output=0),
}
"""OpenAI's list prices as published in August 2025. They change: who relies on `max_cost` sets `prices`."""
