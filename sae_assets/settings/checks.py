"""Settings of the asset checks: bounds outside which an analysis is suspicious."""

from __future__ import annotations

from pydantic import Field

from sae_assets.settings.base import Settings


class CheckBounds(Settings):
    """Bounds that a checkpoint's analysis is held against."""

    max_dead_share: float = Field(default=0.9, ge=0, le=1)
    """Largest share of features that may activate on no analysed token."""
    min_l0: float = Field(default=0.0, ge=0)
    """Smallest mean number of active features a token."""
    max_l0: float = Field(default=1e9, ge=0)
    """Largest mean number of active features a token."""
    min_mean_score: float = Field(default=0.0, ge=-1, le=1)
    """Floor of the mean score of the explanations."""
