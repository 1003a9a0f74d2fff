"""Settings of explaining features by a language model and scoring the explanations."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from sae_assets.settings.base import Settings
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.settings.prices import LIST_PRICES, ModelPrice

Scorer = Literal["detection", "fuzzing", "intruder", "simulation", "embedding", "saebench", "generation"]


def _key_of_environment() -> SecretStr | None:
    key = os.environ.get("OPENAI_API_KEY")
    return SecretStr(key) if key else None


def _beside_the_list(prices: dict[str, ModelPrice]) -> dict[str, ModelPrice]:
    return LIST_PRICES | prices


class AutoInterpConfig(Settings):
    """The endpoint that explains, the examples it is shown and how explanations are scored."""

    explainer_type: Literal["openai", "delphi", "neuronpedia"] = "openai"
    """Form of the prompt: token-activation pairs ("openai"), examples with marked tokens ("delphi"), or these with
    output tokens ("neuronpedia")."""
    openai_api_key: SecretStr | None = Field(default_factory=_key_of_environment)
    """Key of the endpoint; the environment's OPENAI_API_KEY where not set. Never stored."""
    openai_model: str = "gpt-3.5-turbo"
    """Model to ask."""
    openai_base_url: str | None = Field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or None)
    """URL of any OpenAI-compatible endpoint; the environment's OPENAI_BASE_URL where not set."""
    openai_proxy: str | None = None
    """HTTP proxy for the endpoint."""
    request_options: dict[str, Any] = Field(default_factory=dict)
    """Further fields of every request, as the endpoint calls them: temperature, seed, reasoning_effort, ..."""
    request_timeout: float = Field(default=300.0, gt=0)
    """Seconds to wait for an answer before the request is sent again."""
    requests_per_minute: int | None = Field(default=None, ge=1)
    """Most requests that are sent in a minute; no limit where not set."""
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Most tokens, of prompts and answers together, that are asked for in a minute; no limit where not set."""
    mode: Literal["direct", "batch"] = "direct"
    """Ask one by one, or by OpenAI's Batch API: at half the price, within a day ("batch")."""
    use_cache: bool = True
    """Take the answer to a prompt that was asked before, with the same model and options, from the cache on disk."""
    prices: Annotated[dict[str, ModelPrice], AfterValidator(_beside_the_list)] = Field(default_factory=dict)
    """What models cost, by the name in `openai_model` or `embedding.model`, beside or in place of OpenAI's list prices;
    needed for `max_cost` where neither the list nor the endpoint says."""
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
    intruder_n_sets: int = Field(default=5, ge=1)
    """Sets of four windows with an intruder that the intruder scorer asks about."""
    simulation_n_examples: int = Field(default=5, ge=1)
    """Windows of either kind on which activations are simulated."""
    embedding_n_examples: int = Field(default=10, ge=1)
    """Windows of either kind that the embedding scorer compares with the explanation."""
    embedding: EmbeddingConfig = Field(default_factory=EmbeddingConfig)
    """The embedding model of the embedding scorer."""
    hard_negatives: Literal["decoder", "coactivation"] | None = None
    """Score on windows of the nearest features, by decoder or by co-activation, in which this one is verified to be
    silent, before any others."""
    include_cot: bool = True
    """Ask for the reasoning before the answer."""
    overwrite_existing: bool = False
    """Explain again what has an explanation already; one written by hand is always kept."""
