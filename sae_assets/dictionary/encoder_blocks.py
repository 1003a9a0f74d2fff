"""The encoder's product, a block of features at a time, in memory that is kept from tile to tile.

A fresh table costs more than the arithmetic on it, because its pages have to be mapped first; and a table of all
features would not fit where there are a million of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from sae_assets.dictionary.feature_blocks import WIDTH, FeatureBlock

BLOCK_FEATURES = 16_384
"""Features in a block; a multiple of `WIDTH`."""


class Linear(NamedTuple):
    """x @ weight + bias."""

    weight: Float[Tensor, "d_model feature"]
    bias: Float[Tensor, "feature"]

    def to(self, dtype: torch.dtype) -> Linear:
        """The same in another precision."""
        return Linear(self.weight.detach().to(dtype), self.bias.detach().to(dtype))


class EncoderBlocks:
    """An encoder in one precision. Blocks have one fixed shape, on which the last bits of a product depend."""

    def __init__(self, encoder: Linear, gate: Linear | None, dtype: torch.dtype):
        """The encoder x @ W + b, multiplied by the sigmoid of its gate where it has one."""
        self.encoder = encoder.to(dtype)
        self.gate = gate.to(dtype) if gate is not None else None
        self._room = self.encoder.weight.new_empty(0)

    def is_in(self, dtype: torch.dtype, device: torch.device) -> bool:
        """Whether it computes in this precision on this device."""
        return self._room.dtype == dtype and self._room.device == device

    def of(self, x: Float[Tensor, "token d_model"]) -> Iterator[FeatureBlock]:
        """The blocks in their order; the next one takes the memory of the one before."""
        x = x.to(self._room.dtype)
        d_sae = self.encoder.weight.shape[1]
        for first in range(0, d_sae, BLOCK_FEATURES):
            features = slice(first, min(first + BLOCK_FEATURES, d_sae))
            n_features = features.stop - first
            table = self._table(len(x), -(-n_features // WIDTH) * WIDTH)
            table[:, n_features:] = -torch.inf
            hidden = table[:, :n_features]
            torch.addmm(self.encoder.bias[features], x, self.encoder.weight[:, features], out=hidden)
            if self.gate is not None:
                hidden.mul_(torch.sigmoid(x @ self.gate.weight[:, features] + self.gate.bias[features]))
            yield FeatureBlock(features, table)

    def _table(self, n_tokens: int, width: int) -> Float[Tensor, "token feature"]:
        if len(self._room) < n_tokens * width:
            self._room = self._room.new_empty(n_tokens * width)
        return self._room[: n_tokens * width].view(n_tokens, width)
