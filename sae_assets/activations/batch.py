"""Batches that go from the activations to an analysis or a training: contexts, contexts with activations, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sae_assets.activations.context import Context
from sae_assets.settings.errors import UserError


class ContextBatch(NamedTuple):
    """Whole contexts as token ids."""

    context_idx: Int[Tensor, "context"]
    """Which contexts."""
    tokens: Int[Tensor, "context position"]
    """Token ids."""
    mask: Bool[Tensor, "context position"]
    """Whether the token counts: neither padding nor ignored."""

    @staticmethod
    def of(contexts: Sequence[Context]) -> ContextBatch:
        """The batch of these contexts."""
        return ContextBatch(
            torch.tensor([context.context_idx for context in contexts]),
            torch.from_numpy(np.stack([context.tokens for context in contexts])).long(),
            torch.from_numpy(np.stack([context.mask for context in contexts])),
        )


@dataclass(frozen=True)
class ActivationBatch:
    """Whole contexts with their activations at one hook point: what an analysis takes in."""

    context_idx: Int[Tensor, "context"]
    """Which contexts."""
    tokens: Int[Tensor, "context position"]
    """Token ids."""
    mask: Bool[Tensor, "context position"]
    """Whether the token counts: neither padding nor ignored."""
    activations: Float[Tensor, "context position d_model"]
    """Activations, also where the token does not count."""

    def take(self, contexts: slice | Bool[Tensor, "context"]) -> ActivationBatch:
        """The batch of some of its contexts."""
        return ActivationBatch(
            self.context_idx[contexts], self.tokens[contexts], self.mask[contexts], self.activations[contexts]
        )

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> ActivationBatch:
        """The batch on a device, its activations in the precision given."""
        activations = self.activations.to(device, dtype)
        return ActivationBatch(self.context_idx.to(device), self.tokens.to(device), self.mask.to(device), activations)


class NotFiniteError(UserError):
    """An activation of a token that counts is NaN or infinite."""

    def __init__(self, context_idx: int, position: int):
        super().__init__(
            f"The activation at context {context_idx}, position {position} is NaN or infinite; run the model in "
            "float32 or bfloat16, or leave that position out with `ignore_positions`."
        )


class TokenActivations(NamedTuple):
    """Single tokens that count, without their contexts: what a training takes in."""

    tokens: Int[Tensor, "token"]
    """Token ids."""
    activations: Float[Tensor, "token d_model"]
    """Activations at one hook point."""
