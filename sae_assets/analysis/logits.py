"""Direct logit attribution: which output tokens each feature promotes and suppresses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sae_assets.analysis.row_statistics import MAX_TILE_ROWS, NotFiniteRowError, RowBlock
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError
from sae_assets.settings.logits import DirectLogitAttributorConfig

BLOCK_BYTES = 1 << 27
"""Size of the logits that are held at a time."""
MAX_BLOCK_FEATURES = 1024
"""Features in a block where the vocabulary is so small that more would fit."""
TILE_BYTES = 1 << 21
"""Size of the logits that are described at a time on a processor: what its cache holds."""


@dataclass(frozen=True)
class FeatureLogits:
    """What each feature of one SAE adds to the logits of the output tokens. All tensors are on the CPU."""

    variant: str
    """"norm" or "raw"; see `DirectLogitAttributorConfig`."""
    top_tokens: Int64[Tensor, "feature k"]
    """Ids of the tokens that the feature promotes most; of equal logits the smaller id comes first."""
    top_logits: Float32[Tensor, "feature k"]
    """Their logits, descending."""
    bottom_tokens: Int64[Tensor, "feature k"]
    """Ids of the tokens that the feature suppresses most; of equal logits the smaller id comes first."""
    bottom_logits: Float32[Tensor, "feature k"]
    """Their logits, ascending."""
    mean: Float32[Tensor, "feature"]
    """Mean logit over the vocabulary."""
    std: Float32[Tensor, "feature"]
    """Population standard deviation of the logits over the vocabulary."""
    minimum: Float32[Tensor, "feature"]
    """Smallest logit."""
    maximum: Float32[Tensor, "feature"]
    """Largest logit."""
    histogram: Int64[Tensor, "feature bin"]
    """Tokens by logit, in 50 equal bins from the minimum up to the maximum; all in the first where these are equal."""


@torch.no_grad()
def attribute_logits(
    decoder: Float[Tensor, "feature d_model"],
    unembedding: Float[Tensor, "d_model vocab"],
    cfg: DirectLogitAttributorConfig,
    final_norm: Callable[[Float[Tensor, "feature d_model"]], Float[Tensor, "feature d_model"]] | None,
    progress: Progress = silent,
) -> FeatureLogits:
    """The logits that one unit of each feature adds, in float32 on the unembedding's device; no bias is among them.

    Blocks of features have one fixed shape, on which the last bits of a product depend, so a feature's logits do not
    depend on how many features follow. Memory is bounded whatever features × vocabulary.

    Args:
        decoder: decoder directions.
        unembedding: the model's unembedding matrix; `top_k` is cut to its vocabulary.
        cfg: which variant, and how many tokens at either end.
        final_norm: the norm before the unembedding; used by the variant "norm" only.
        progress: told how many features are done.

    Raises:
        UserError: the widths differ, the final norm is missing, or a logit is NaN or infinite.
    """
    (n_features, d_model), (width, vocab) = decoder.shape, unembedding.shape
    if d_model != width:
        raise UserError(
            f"The decoder has d_model {d_model} and the unembedding has d_model {width}; give the model that the SAE "
            "was trained on."
        )
    if cfg.variant == "norm" and final_norm is None:
        raise UserError("The variant 'norm' needs the model's final norm; give it, or set the variant 'raw'.")
    norm = final_norm if cfg.variant == "norm" else None
    unembedding = unembedding.float()
    block_size, tile_size = block_sizes(vocab, unembedding.device)
    directions = unembedding.new_empty(block_size, d_model)
    logits = unembedding.new_empty(block_size, vocab)
    block = RowBlock(logits, tile_size)
    parts: list[FeatureLogits] = []
    progress(Step("logits", 0, n_features, "features"))
    for first in range(0, n_features, block_size):
        rows = decoder[first : first + block_size]
        directions[: len(rows)], directions[len(rows) :] = rows, rows[-1]
        torch.mm(norm(directions).float() if norm else directions, unembedding, out=logits)
        try:
            parts.append(_described(block, len(rows), cfg.variant, min(cfg.top_k, vocab)))
        except NotFiniteRowError as error:
            raise UserError(
                f"The logits of feature {first + error.row} are NaN or infinite; the decoder or the model's weights "
                "are damaged."
            ) from None
        progress(Step("logits", first + len(rows), n_features, "features"))
    tensors = [field.name for field in fields(FeatureLogits) if field.name != "variant"]
    return FeatureLogits(cfg.variant, **{name: torch.cat([getattr(part, name) for part in parts]) for name in tensors})


class BlockSizes(NamedTuple):
    """How many features are held at a time; decides nothing but the last bits of a product."""

    block: int
    """Features in a product."""
    tile: int
    """Features that are described at a time; divides the block."""


def block_sizes(vocab: int, device: torch.device) -> BlockSizes:
    """The sizes for a vocabulary; a tile is as small as a cache on a processor only, since each costs some 30 calls."""
    block = max(1, min(MAX_BLOCK_FEATURES, BLOCK_BYTES // (4 * vocab)))
    tile_bytes = TILE_BYTES if device.type == "cpu" else BLOCK_BYTES
    tile = max(1, min(block, MAX_TILE_ROWS, tile_bytes // (4 * vocab)))
    return BlockSizes(block // tile * tile, tile)


def _described(block: RowBlock, n_features: int, variant: str, k: int) -> FeatureLogits:
    statistics = block.statistics(n_features)
    top, bottom = block.largest(n_features, k), block.smallest(n_features, k)
    return FeatureLogits(
        variant,
        top_tokens=top.columns.cpu(),
        top_logits=top.values.cpu(),
        bottom_tokens=bottom.columns.cpu(),
        bottom_logits=bottom.values.cpu(),
        **{name: column.cpu() for name, column in statistics._asdict().items()},
    )
