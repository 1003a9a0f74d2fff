"""Activations scaled token by token (or batch by batch) before they are encoded, and reconstructions scaled back."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

LAYER_NORM_EPSILON = 1e-5
"""Added to the standard deviation by "layer-norm", which is defined as SAELens' `run_time_activation_ln_in`."""


def normalized(x: Float[Tensor, "... d_model"], kind: str) -> Float[Tensor, "... d_model"]:
    """Activations of the norm sqrt(d_model) for "token-wise", on average over the batch for "batch-wise".

    For "layer-norm": less their mean, divided by their unbiased standard deviation plus `LAYER_NORM_EPSILON`; for
    "inference": as they are.
    """
    if kind == "inference":
        return x
    if kind == "layer-norm":
        return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + LAYER_NORM_EPSILON)
    return x * _factor(x, kind)


def denormalized(
    reconstructed: Float[Tensor, "... d_model"], x: Float[Tensor, "... d_model"], kind: str
) -> Float[Tensor, "... d_model"]:
    """What was reconstructed from `normalized(x, kind)`, in the units of `x`."""
    if kind == "inference":
        return reconstructed
    if kind == "layer-norm":
        return reconstructed * x.std(-1, keepdim=True) + x.mean(-1, keepdim=True)
    return reconstructed / _factor(x, kind)


def dataset_factor(norm: float, d_model: int) -> float:
    """What activations of this mean norm are multiplied by, so that it becomes sqrt(d_model)."""
    return math.sqrt(d_model) / norm


def _factor(x: Float[Tensor, "... d_model"], kind: str) -> Float[Tensor, "... one"]:
    norm = x.norm(dim=-1, keepdim=True)
    if kind == "batch-wise":
        norm = norm.mean(dim=-2, keepdim=True)
    return math.sqrt(x.shape[-1]) / norm.clamp(min=torch.finfo(norm.dtype).tiny)
