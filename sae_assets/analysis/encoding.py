"""From batches of activations to the active values of whole contexts, encoded in tiles of one fixed shape.

The last bits of a matrix product depend on its shape. Tiles make the shape the same for every token, so what a feature
does at a token does not depend on the batch that the token came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from sae_assets.activations.batch import ActivationBatch, NotFiniteError
from sae_assets.analysis.magnitude import LAST_OCTAVE
from sae_assets.analysis.occurrences import ActiveValues
from sae_assets.dictionary.active_features import ActiveFeatures, active_where
from sae_assets.settings.errors import UserError

TILE_TOKENS = 1024
"""Tokens that are encoded at a time."""
BLOCK_TOKENS = 2048
"""Positions whose active values are gathered before they are counted; bounds memory for any batch size."""


class Encoder(Protocol):
    """What the analysis needs of an SAE."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        ...

    @property
    def d_model(self) -> int:
        """Width of the activations."""
        ...

    @property
    def is_batch_dependent(self) -> bool:
        """Whether a token's features depend on what is encoded with it."""
        ...

    def encode(self, x: Float[Tensor, "token d_model"]) -> Float[Tensor, "token feature"]:
        """Features of raw activations."""
        ...

    def active_features(self, x: Float[Tensor, "token d_model"]) -> ActiveFeatures:
        """What `encode` gives above 0."""
        ...


class EncodedContexts(NamedTuple):
    """Some whole contexts with all their active values."""

    context_idx: Int64[Tensor, "context"]
    """Which contexts; each has at least one token that counts."""
    n_tokens: int
    """Tokens that count."""
    active: ActiveValues
    """What is active on them."""


def encoded_contexts(batch: ActivationBatch, sae: Encoder, amp_dtype: torch.dtype) -> Iterator[EncodedContexts]:
    """The active values of a batch, a block of whole contexts at a time. Tokens that do not count are never encoded.

    Raises:
        UserError: the width is not the SAE's, or an activation that counts is NaN or infinite.
    """
    n_contexts, n_positions, d_model = batch.activations.shape
    if d_model != sae.d_model:
        raise UserError(
            f"The activations have d_model {d_model} and the SAE has d_model {sae.d_model}; give the hook point and "
            "the model that the SAE was trained on."
        )
    contexts_a_block = 1 if sae.is_batch_dependent else max(1, BLOCK_TOKENS // n_positions)
    for first in range(0, n_contexts, contexts_a_block):
        block = slice(first, first + contexts_a_block)
        mask = batch.mask[block]
        has_tokens = mask.any(1)
        if has_tokens.any():
            context_idx, mask = batch.context_idx[block][has_tokens], mask[has_tokens]
            x = batch.activations[block][has_tokens]
            active = _active_values(x, mask, context_idx, sae, amp_dtype)
            yield EncodedContexts(context_idx, int(mask.sum()), active)


def _active_values(
    x: Float[Tensor, "context position d_model"],
    mask: Bool[Tensor, "context position"],
    context_idx: Int64[Tensor, "context"],
    sae: Encoder,
    amp_dtype: torch.dtype,
) -> ActiveValues:
    context, position = mask.nonzero(as_tuple=True)
    tokens = x[context, position].float()
    _refuse_not_finite(tokens, context_idx[context], position)
    tile_tokens = len(tokens) if sae.is_batch_dependent else TILE_TOKENS
    parts = []
    for first in range(0, len(tokens), tile_tokens):
        tile = tokens[first : first + tile_tokens]
        token, feature, value = _encode_tile(tile, tile_tokens, sae, amp_dtype)
        token = token + first
        parts.append(ActiveValues(context[token], position[token], feature, value))
    active = ActiveValues(*(torch.cat(column) for column in zip(*parts, strict=True)))
    _refuse_too_large(active, context_idx)
    return active


def _encode_tile(
    tile: Float32[Tensor, "token d_model"], tile_tokens: int, sae: Encoder, amp_dtype: torch.dtype
) -> ActiveFeatures:
    if len(tile) < tile_tokens:
        padded = tile.new_zeros(tile_tokens, tile.shape[1])
        padded[: len(tile)] = tile
    else:
        padded = tile
    if amp_dtype == torch.float32:
        active = sae.active_features(padded)
    else:
        with torch.no_grad(), torch.autocast(tile.device.type, amp_dtype):
            features = sae.encode(padded)
        active = active_where(features > 0, features)
    n_active = int(torch.searchsorted(active.token, len(tile)))
    return ActiveFeatures(active.token[:n_active], active.feature[:n_active], active.value[:n_active].float())


def _refuse_not_finite(
    tokens: Float32[Tensor, "token d_model"], context_idx: Int64[Tensor, "token"], position: Int64[Tensor, "token"]
) -> None:
    is_finite = tokens.isfinite().all(1)
    if not is_finite.all():
        token = int((~is_finite).nonzero()[0, 0])
        raise NotFiniteError(int(context_idx[token]), int(position[token]))


def _refuse_too_large(active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> None:
    is_large = active.value >= 2.0**LAST_OCTAVE
    if is_large.any():
        place = int(is_large.nonzero()[0, 0])
        raise UserError(
            f"Feature {int(active.feature[place])} has the activation {float(active.value[place]):.3g} at context "
            f"{int(context_idx[active.context[place]])}, which is above {2**LAST_OCTAVE}; is it normalised?"
        )
