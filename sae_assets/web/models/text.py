"""Try a text: what features do on text that a person typed."""

from __future__ import annotations

from pydantic import Field

from sae_assets.web.models.base import ApiModel

MAX_CHARACTERS = 8_000
"""The longest text that is taken."""


class Text(ApiModel):
    """A text to run through the language model and the SAE."""

    text: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    """The text, tokenized as the analysis does; tokens beyond the model's context are left out."""
    feature: int | None = None
    """One feature whose activations are asked for; None for the strongest features of each token."""
    n_features: int = Field(default=5, ge=1, le=50)
    """How many of the strongest features to give for each token."""


class ActiveFeature(ApiModel):
    """A feature that is active on a token."""

    index: int
    """Which feature."""
    activation: float
    """How strongly, above 0."""


class TextToken(ApiModel):
    """A token of the text; tokens that share a character are one."""

    text: str
    """Its characters; all tokens join to the text that was read."""
    activation: float | None
    """Activation of the asked feature, 0 where silent; None where no feature was asked for."""
    strongest: list[ActiveFeature]
    """The strongest features, strongest first; empty where a feature was asked for."""


class TextActivations(ApiModel):
    """What features do on a text."""

    tokens: list[TextToken]
    """The tokens in order."""
    n_tokens: int
    """Tokens of the language model that were read."""
    is_truncated: bool
    """Whether the text was longer than what the model can read."""
    explanations: dict[int, str]
    """Explanations of the features that are named, where there are any."""
