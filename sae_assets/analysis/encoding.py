"""From batches of activations to the active values of whole contexts, encoded in tiles of one fixed shape.

The last bits of a matrix product depend on its shape. Tiles make the shape the same for every token, so what a feature
does at a token does not depend on the batch that the token came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sae_assets.activations.batch import ActivationBatch, NotFiniteError
from sae_assets.analysis.magnitude import LAST_OCTAVE
from sae_assets.analysis.occurrences import ActiveValues
from sae_assets.dictionary.active_features import ActiveFeatures
from sae_assets.settings.errors import UserError

TILE_TOKENS = 1024
"""Tokens that are encoded at a time."""
BLOCK_TOKENS = 2048
"""Tokens whose active values are gathered before they are counted; bounds memory for any batch size."""
BLOCK_PEAKS = 1 << 24
"""Pairs of a context and a feature in a block, for the same reason."""


class Encoder(Protocol):
    """What an analysis needs of an SAE."""

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

    def active_features(self, x: Float[Tensor, "token d_model"], amp_dtype: torch.dtype) -> ActiveFeatures:
        """What `encode` gives above 0, the product in the precision `amp_dtype`, float32 at most."""
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
    d_model = batch.activations.shape[2]
    if d_model != sae.d_model:
        raise UserError(
            f"The activations have d_model {d_model} and the SAE has d_model {sae.d_model}; give the hook point and "
            "the model that the SAE was trained on."
        )
    most_contexts = 1 if sae.is_batch_dependent else max(1, BLOCK_PEAKS // sae.d_sae)
    for block in _blocks(batch, most_contexts):
        yield EncodedContexts(block.context_idx, int(block.mask.sum()), _active_values(block, sae, amp_dtype))


def _blocks(batch: ActivationBatch, most_contexts: int) -> Iterator[ActivationBatch]:
    """The contexts that have tokens that count, one or as many at a time as have `BLOCK_TOKENS`."""
    n_tokens = batch.mask.sum(1)
    has_tokens = n_tokens > 0
    if not has_tokens.all():
        batch, n_tokens = batch.take(has_tokens), n_tokens[has_tokens]
    first = n_gathered = 0
    for context, n_more in enumerate(n_tokens.tolist()):
        if context > first and (context == first + most_contexts or n_gathered + n_more > BLOCK_TOKENS):
            yield batch.take(slice(first, context))
            first, n_gathered = context, 0
        n_gathered += n_more
    if n_gathered:
        yield batch.take(slice(first, None))


def _active_values(block: ActivationBatch, sae: Encoder, amp_dtype: torch.dtype) -> ActiveValues:
    context, position = block.mask.nonzero(as_tuple=True)
    is_whole = len(context) == block.mask.numel()
    x = block.activations.flatten(0, 1) if is_whole else block.activations[context, position]
    tokens = x.float()
    _refuse_not_finite(tokens, block.context_idx[context], position)
    tile_tokens = len(tokens) if sae.is_batch_dependent else TILE_TOKENS
    parts = []
    for first in range(0, len(tokens), tile_tokens):
        tile = tokens[first : first + tile_tokens]
        token, feature, value = _encode_tile(tile, tile_tokens, sae, amp_dtype)
        token = token + first
        parts.append(ActiveValues(context[token], position[token], feature, value))
    active = ActiveValues(*(torch.cat(column) for column in zip(*parts, strict=True)))
    _refuse_too_large(active, block.context_idx)
    return active


def _encode_tile(
    tile: Float32[Tensor, "token d_model"], tile_tokens: int, sae: Encoder, amp_dtype: torch.dtype
) -> ActiveFeatures:
    if len(tile) < tile_tokens:
        padded = tile.new_zeros(tile_tokens, tile.shape[1])
        padded[: len(tile)] = tile
    else:
        padded = tile
    active = sae.active_features(padded, amp_dtype)
    n_active = int(torch.searchsorted(active.token, len(tile)))
    return ActiveFeatures(active.token[:n_active], active.feature[:n_active], active.value[:n_active].float())


def _refuse_not_finite(
    tokens: Float32[Tensor, "token d_model"], context_idx: Int64[Tensor, "token"], position: Int64[Tensor, "token"]
) -> None:
    # One that is NaN or infinite makes the range so.
    if not torch.stack(torch.aminmax(tokens)).isfinite().all():
        token = int((~tokens.isfinite().all(1)).nonzero()[0, 0])
        raise NotFiniteError(int(context_idx[token]), int(position[token]))


def _refuse_too_large(active: ActiveValues, context_idx: Int64[Tensor, "context"]) -> None:
    is_large = active.value >= 2.0**LAST_OCTAVE
    if is_large.any():
        place = int(is_large.nonzero()[0, 0])
        raise UserError(
            f"Feature {int(active.feature[place])} has the activation {float(active.value[place]):.3g} at context "
            f"{int(context_idx[active.context[place]])}, which is above {2**LAST_OCTAVE}; is it normalised?"
        )
