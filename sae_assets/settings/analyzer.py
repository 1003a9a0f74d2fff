"""Settings of the feature analysis."""

from __future__ import annotations

from pydantic import Field, field_validator

from sae_assets.settings.base import Settings

NON_ACTIVATING = "non_activating"
"""Name of the subsample of contexts on which a feature is silent."""


class SubsampleConfig(Settings):
    """A named group of sample contexts of a feature."""

    proportion: float = Field(ge=0, le=1)
    """1.0: the contexts of the largest peaks. Below 1: contexts whose peak lies in (q·max, p·max], q the next smaller
    proportion. Not used by `non_activating`."""
    n_samples: int = Field(ge=1)
    """Contexts to keep for each feature."""
    max_length: int | None = Field(default=None, ge=1)
    """Tokens to keep around the peak; the whole context where not set."""


def _default_subsamples() -> dict[str, SubsampleConfig]:
    return {
        "top_activations": SubsampleConfig(proportion=1.0, n_samples=10),
        NON_ACTIVATING: SubsampleConfig(proportion=0.3, n_samples=20, max_length=50),
    }


class FeatureAnalyzerConfig(Settings):
    """How many tokens to analyse and which contexts to keep for each feature."""

    total_analyzing_tokens: int = Field(ge=1)
    """Tokens to analyse; padding and ignored tokens are not counted."""
    ignore_token_ids: list[int] | None = None
    """Tokens that count nowhere, beside those of the activation factory."""
    subsamples: dict[str, SubsampleConfig] = Field(default_factory=_default_subsamples)
    """Groups of sample contexts by name; `non_activating` holds contexts on which the feature is silent."""
    seed: int = 42
    """Seed of the draw from magnitude bands and of silent contexts."""
    clt_layer: None = None
    """Layer of a cross-layer transcoder; those are not read, so it must stay unset."""

    @field_validator("subsamples")
    @classmethod
    def _bands_are_distinct(cls, subsamples: dict[str, SubsampleConfig]) -> dict[str, SubsampleConfig]:
        proportions = [cfg.proportion for name, cfg in subsamples.items() if name != NON_ACTIVATING]
        if any(proportion == 0 for proportion in proportions):
            raise ValueError(f"a proportion of 0 selects nothing; silent contexts are the subsample {NON_ACTIVATING!r}")
        if len(set(proportions)) != len(proportions):
            raise ValueError("two subsamples have the same proportion; give each its own")
        return subsamples
