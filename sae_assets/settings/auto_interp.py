"""Settings of explaining features by a language model and scoring the explanations."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field, SecretStr

from sae_assets.settings.base import Settings

Scorer = Literal["detection", "fuzzing", "generation", "simulation"]


def _key_of_environment() -> SecretStr | None:
    key = os.environ.get("OPENAI_API_KEY")
    return SecretStr(key) if key else None


class AutoInterpConfig(Settings):
    """The endpoint that explains, the examples it is shown and how explanations are scored."""

    explainer_type: Literal["openai", "neuronpedia"] = "openai"
    """Form of the prompt: token-activation pairs ("openai"), or marked examples with output tokens ("neuronpedia")."""
    openai_api_key: SecretStr | None = Field(default_factory=_key_of_environment)
    """Key of the endpoint; the environment's OPENAI_API_KEY where not set. Never stored."""
    openai_model: str = "gpt-3.5-turbo"
    """Model to ask."""
    openai_base_url: str | None = Field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None)
    """URL of any OpenAI-compatible endpoint; the environment's OPENAI_BASE_URL where not set."""
    openai_proxy: str | None = None
    """HTTP proxy for the endpoint."""
    n_activating_examples: int = Field(default=7, ge=1)
    """Activating windows that the explainer is shown."""
    n_non_activating_examples: int = Field(default=20, ge=0)
    """Silent windows at hand for scoring."""
    activation_threshold: float = Field(default=0.7, ge=0, le=1)
    """Share of the window's peak above which a token is marked for the explainer."""
    max_length: int = Field(default=50, ge=1)
    """Tokens of a window around its peak."""
    scorer_type: list[Scorer] = Field(default_factory=lambda: ["detection", "fuzzing"])
    """How explanations are scored."""
    detection_n_examples: int = Field(default=5, ge=1)
    """Windows of either kind that detection judges."""
    fuzzing_n_examples: int = Field(default=5, ge=1)
    """Windows of either kind that fuzzing judges."""
    fuzzing_decile_correct: int = Field(default=5, ge=1)
    """Rightly marked windows that fuzzing draws from each decile of peak activation."""
    fuzzing_decile_incorrect: int = Field(default=2, ge=1)
    """Wrongly marked windows that fuzzing draws from each decile of peak activation."""
    include_cot: bool = True
    """Ask for the reasoning before the answer."""
    overwrite_existing: bool = False
    """Explain again what has an explanation already; one written by hand is always kept."""
