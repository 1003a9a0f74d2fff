"""From pre-activations to sparse features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from sae_assets.dictionary.ranking import largest


def jumprelu(z: Float[Tensor, "... feature"], threshold: Float[Tensor, "feature"]) -> Float[Tensor, "... feature"]:
    """z where it is above its feature's threshold, else 0 (Rajamanoharan et al. 2024)."""
    return torch.where(z > threshold, z, z.new_zeros(()))


def topk(z: Float[Tensor, "... feature"], k: int) -> Float[Tensor, "... feature"]:
    """The k largest of each token where they are above 0, else 0 (Gao et al. 2024); ties go to the smaller feature."""
    with torch.no_grad():
        columns = largest(z.detach().reshape(-1, z.shape[-1]), min(k, z.shape[-1])).columns
    is_kept = torch.zeros_like(z, dtype=torch.bool).scatter_(-1, columns.view(*z.shape[:-1], -1), True)
    return torch.where(is_kept, z, z.new_zeros(())).relu()


def batchtopk(z: Float[Tensor, "... feature"], k: int) -> Float[Tensor, "... feature"]:
    """The k·tokens largest of all tokens together where they are above 0, else 0 (Bussmann et al. 2024)."""
    tokens = z.numel() // z.shape[-1]
    flat = z.flatten()
    largest = torch.topk(flat, min(k * tokens, flat.numel()), sorted=False)
    return torch.zeros_like(flat).scatter_(0, largest.indices, largest.values.relu_()).view_as(z)
