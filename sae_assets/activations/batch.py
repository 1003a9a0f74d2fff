"""Activations with their contexts: what an analysis takes in."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ActivationBatch:
    """Whole contexts with their activations at one hook point."""

    context_idx: Int[Tensor, "context"]
    """Which contexts."""
    tokens: Int[Tensor, "context position"]
    """Token ids."""
    mask: Bool[Tensor, "context position"]
    """Whether the token counts: neither padding nor ignored."""
    activations: Float[Tensor, "context position d_model"]
    """Activations, also where the token does not count."""
