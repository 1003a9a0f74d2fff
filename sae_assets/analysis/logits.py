"""Direct logit attribution: which output tokens each feature promotes and suppresses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from sae_assets.dictionary.ranking import largest
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError
from sae_assets.settings.logits import DirectLogitAttributorConfig

BLOCK_BYTES = 1 << 27
"""Size of the logits that are held at a time."""
MAX_BLOCK_FEATURES = 1024
"""Features in a block where the vocabulary is so small that more would fit."""
N_BINS = 50
"""Bins of a feature's histogram."""


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
    block_size = max(1, min(MAX_BLOCK_FEATURES, BLOCK_BYTES // (4 * vocab)))
    directions = unembedding.new_zeros(block_size, d_model)
    logits = unembedding.new_empty(block_size, vocab)
    scratch = torch.empty_like(logits)
    blocks: list[FeatureLogits] = []
    progress(Step("logits", 0, n_features, "features"))
    for first in range(0, n_features, block_size):
        rows = decoder[first : first + block_size]
        directions.zero_()[: len(rows)] = rows
        torch.mm(norm(directions).float() if norm else directions, unembedding, out=logits)
        _refuse_not_finite(logits[: len(rows)], first)
        blocks.append(_described(logits[: len(rows)], scratch[: len(rows)], cfg))
        progress(Step("logits", first + len(rows), n_features, "features"))
    tensors = [field.name for field in fields(FeatureLogits) if field.name != "variant"]
    return FeatureLogits(
        cfg.variant, **{name: torch.cat([getattr(block, name) for block in blocks]) for name in tensors}
    )


def _refuse_not_finite(logits: Float32[Tensor, "feature vocab"], first: int) -> None:
    # One that is NaN or infinite makes the range so.
    spread = logits.amax(1) - logits.amin(1)
    if not spread.isfinite().all():
        feature = first + int((~spread.isfinite()).nonzero()[0])
        raise UserError(
            f"The logits of feature {feature} are NaN or infinite; the decoder or the model's weights are damaged."
        )


def _described(
    logits: Float32[Tensor, "feature vocab"],
    scratch: Float32[Tensor, "feature vocab"],
    cfg: DirectLogitAttributorConfig,
) -> FeatureLogits:
    """What is kept of a block's logits; both buffers are overwritten."""
    vocab = logits.shape[1]
    k = min(cfg.top_k, vocab)
    mean = logits.mean(1)
    # Ten times faster than `torch.std`, which takes one value after the other.
    std = torch.sub(logits, mean[:, None], out=scratch).norm(dim=1) / math.sqrt(vocab)
    top = largest(logits, k)
    bottom = largest(logits.neg_(), k)
    logits.neg_()
    minimum, maximum = bottom.values[:, 0].neg(), top.values[:, 0]
    return FeatureLogits(
        cfg.variant,
        top_tokens=top.columns.cpu(),
        top_logits=top.values.cpu(),
        bottom_tokens=bottom.columns.cpu(),
        bottom_logits=bottom.values.neg().cpu(),
        mean=mean.cpu(),
        std=std.cpu(),
        minimum=minimum.cpu(),
        maximum=maximum.cpu(),
        histogram=_histogram(logits, scratch.view(torch.int32), minimum, maximum).cpu(),
    )


def _histogram(
    logits: Float32[Tensor, "feature vocab"],
    bins: Int32[Tensor, "feature vocab"],
    minimum: Float32[Tensor, "feature"],
    maximum: Float32[Tensor, "feature"],
) -> Int64[Tensor, "feature bin"]:
    n_features = len(logits)
    spread = torch.where(maximum > minimum, maximum - minimum, 1)
    logits.sub_(minimum[:, None]).div_(spread[:, None]).mul_(N_BINS).clamp_(max=N_BINS - 1)
    row = torch.arange(n_features, dtype=torch.int32, device=logits.device)[:, None]
    cells = bins.copy_(logits).add_(row * N_BINS).view(-1)
    return torch.bincount(cells, minlength=n_features * N_BINS).view(n_features, N_BINS)
