"""Encoders that other formats write differently, as the one that is computed here: exact, but for rounding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class JumpReLUEncoder(NamedTuple):
    """A feature is its pre-activation x @ weight + bias where that is above its threshold, else 0."""

    weight: Float[Tensor, "d_model feature"]
    bias: Float[Tensor, "feature"]
    threshold: Float[Tensor, "feature"]


class UnitDecoder(NamedTuple):
    """Weights that give the same reconstruction from features that are times the norm of their decoder."""

    W_E: Float[Tensor, "d_model feature"]
    b_E: Float[Tensor, "feature"]
    W_D: Float[Tensor, "feature d_model"]


def bias_without_subtraction(
    W_E: Float[Tensor, "d_model feature"], b_E: Float[Tensor, "feature"], subtracted: Float[Tensor, "d_model"]
) -> Float[Tensor, "feature"]:
    """The encoder's bias where `subtracted`, mostly the decoder's bias, is no longer taken off the activations first.

    (x - s) @ W + b = x @ W + (b - s @ W).
    """
    return b_E - subtracted @ W_E


def gated_as_jumprelu(
    W_E: Float[Tensor, "d_model feature"],
    gate_bias: Float[Tensor, "feature"],
    magnitude_bias: Float[Tensor, "feature"],
    r_mag: Float[Tensor, "feature"],
) -> JumpReLUEncoder:
    """A gated encoder whose two maps share their weights, as a JumpReLU (Rajamanoharan et al. 2024, arXiv 2404.16014).

    A feature is relu(m), m = (x @ W) · exp(r) + b_mag, where its gate x @ W + b_gate is above 0. As exp(r) is above 0,
    the gate is open exactly where m is above b_mag - b_gate · exp(r); and relu is m where m is above 0.
    """
    scale = r_mag.exp()
    threshold = (magnitude_bias - gate_bias * scale).clamp(min=0)
    return JumpReLUEncoder(W_E * scale, magnitude_bias, threshold)


def unit_decoder(
    W_E: Float[Tensor, "d_model feature"], b_E: Float[Tensor, "feature"], W_D: Float[Tensor, "feature d_model"]
) -> UnitDecoder:
    """Features times the norm of their decoder, which becomes 1: what SAELens calls `rescale_acts_by_decoder_norm`.

    Its activation function sees the pre-activations times that norm, and its features stay so; thresholds are as they
    are. A feature whose decoder is 0 is silent.
    """
    norm = W_D.norm(dim=1)
    return UnitDecoder(W_E * norm, b_E * norm, W_D / torch.where(norm > 0, norm, torch.ones_like(norm))[:, None])
