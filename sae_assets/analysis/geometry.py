"""The geometry of a dictionary: norms, the angle between encoder and decoder, and each feature's nearest decoders."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from sae_assets.dictionary.ranking import largest
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError

BLOCK_BYTES = 1 << 27
"""Size of the cosines that are held at a time: those of some features with all features."""


@dataclass(frozen=True)
class DictionaryGeometry:
    """Where the features of one SAE lie. All tensors are on the CPU."""

    decoder_norm: Float32[Tensor, "feature"]
    """Length of the decoder row."""
    encoder_norm: Float32[Tensor, "feature"]
    """Length of the encoder column."""
    cosine: Float32[Tensor, "feature"]
    """Cosine of encoder and decoder; 0 where one of them is zero."""
    neighbour_idx: Int64[Tensor, "feature neighbour"]
    """Nearest decoders by cosine, itself left out, ties to the smaller index; -1 where there are fewer."""
    neighbour_cosine: Float32[Tensor, "feature neighbour"]
    """Their cosines, descending; 0 where there is none."""


@torch.no_grad()
def dictionary_geometry(
    encoder: Float[Tensor, "d_model feature"],
    decoder: Float[Tensor, "feature d_model"],
    n_neighbours: int = 10,
    progress: Progress = silent,
) -> DictionaryGeometry:
    """Norms, cosines and nearest decoders of all features, computed on the decoder's device.

    A decoder of zeros has the cosine 0 with every other. Memory grows with the weights, not with features × features.

    Raises:
        UserError: a weight is NaN or infinite.
    """
    encoder_norm, encoder_unit = _norm_and_direction(encoder.T, "encoder")
    decoder_norm, decoder_unit = _norm_and_direction(decoder, "decoder")
    cosine = (encoder_unit.to(decoder_unit.device) * decoder_unit).sum(1).clamp_(-1, 1)
    idx, cosines = _nearest(decoder_unit, n_neighbours, progress)
    return DictionaryGeometry(decoder_norm.cpu(), encoder_norm.cpu(), cosine.cpu(), idx, cosines)


def _norm_and_direction(
    vectors: Float[Tensor, "feature d_model"], name: str
) -> tuple[Float32[Tensor, "feature"], Float32[Tensor, "feature d_model"]]:
    """Lengths, and the vectors at length 1; a vector of zeros stays one."""
    vectors = vectors.float()
    norm = vectors.norm(dim=1)
    if not norm.isfinite().all():
        feature = int((~norm.isfinite()).nonzero()[0])
        raise UserError(f"The {name} of feature {feature} has a NaN or infinite weight; the checkpoint is damaged.")
    return norm, vectors / torch.where(norm > 0, norm, 1)[:, None]


def block_rows(n_features: int) -> int:
    """Features whose cosines with all features are held at a time."""
    return min(n_features, max(1, BLOCK_BYTES // (4 * n_features)))


def _nearest(
    directions: Float32[Tensor, "feature d_model"], n_neighbours: int, progress: Progress
) -> tuple[Int64[Tensor, "feature neighbour"], Float32[Tensor, "feature neighbour"]]:
    n_features = len(directions)
    n_others = min(n_neighbours, n_features - 1)
    idx = torch.full((n_features, n_neighbours), -1)
    cosines = torch.zeros(n_features, n_neighbours)
    block_size = block_rows(n_features)
    buffer = directions.new_empty(block_size, n_features)
    progress(Step("nearest decoders", 0, n_features, "features"))
    for first in range(0, n_features if n_others else 0, block_size):
        block = directions[first : first + block_size]
        products = torch.mm(block, directions.T, out=buffer[: len(block)])
        # Rounding takes the cosine of equal decoders a little over 1, which would decide between them.
        products.clamp_(-1, 1).diagonal(first).fill_(-torch.inf)
        found = largest(products, n_others)
        idx[first : first + len(block), :n_others] = found.columns.cpu()
        cosines[first : first + len(block), :n_others] = found.values.cpu()
        progress(Step("nearest decoders", first + len(block), n_features, "features"))
    return idx, cosines
