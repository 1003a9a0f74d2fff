"""Settings of search by meaning in the web UI: the endpoint that turns texts into vectors."""

from __future__ import annotations

import os

from pydantic import Field, SecretStr

from sae_assets.settings.base import Settings
from sae_assets.settings.errors import UserError

DIMENSIONS_VARIABLE = "SAE_ASSETS_EMBEDDING_DIMENSIONS"
MOST_DIMENSIONS = 65_536


def _first_set(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _key_of_environment() -> SecretStr | None:
    key = _first_set("SAE_ASSETS_EMBEDDING_API_KEY", "OPENAI_API_KEY")
    return SecretStr(key) if key else None


def _dimensions_of_environment() -> int | None:
    value = _first_set(DIMENSIONS_VARIABLE)
    if value is None:
        return None
    if not (value.isdecimal() and len(value) < 6 and 1 <= int(value) <= MOST_DIMENSIONS):
        raise UserError(
            f"{DIMENSIONS_VARIABLE} is {value!r}; give a whole number from 1 to {MOST_DIMENSIONS}, or leave it out."
        )
    return int(value)


class EmbeddingConfig(Settings):
    """The endpoint whose vectors say which texts mean the same; with no model, there is no search by meaning."""

    model: str | None = Field(default_factory=lambda: _first_set("SAE_ASSETS_EMBEDDING_MODEL"))
    """Embedding model to ask; the environment's SAE_ASSETS_EMBEDDING_MODEL where not set."""
    sentence_model: str | None = None
    """A sentence-transformers model that runs on this machine instead of an endpoint: a local folder, or a name on the
    hub. Only for scores; needs the extra "sentences"."""
    base_url: str | None = Field(default_factory=lambda: _first_set("SAE_ASSETS_EMBEDDING_BASE_URL", "OPENAI_BASE_URL"))
    """URL of any OpenAI-compatible endpoint; the environment's SAE_ASSETS_EMBEDDING_BASE_URL, else OPENAI_BASE_URL."""
    api_key: SecretStr | None = Field(default_factory=_key_of_environment)
    """Its key; the environment's SAE_ASSETS_EMBEDDING_API_KEY, else OPENAI_API_KEY. Never stored."""
    dimensions: int | None = Field(default_factory=_dimensions_of_environment, ge=1, le=MOST_DIMENSIONS)
    """Length of the vectors to ask for, where the model can shorten them; the environment's
    SAE_ASSETS_EMBEDDING_DIMENSIONS, else the model's own."""
