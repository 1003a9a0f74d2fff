"""Norms without their hook points: what TransformerLens computes for them is computed only where someone looks.

TransformerLens wraps a norm to give its scale and its normalized input to hooks. It computes both, forgets them where
there is no hook, and then runs the norm of transformers, which is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn
from transformer_lens.model_bridge.generalized_components.normalization import NormalizationBridge

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint
    from transformer_lens.model_bridge.generalized_components.block import BlockBridge


@contextmanager
def bare_norms(blocks: Iterable[BlockBridge], hook_points: Iterable[HookPoint]) -> Iterator[None]:
    """Lets blocks run the norms of transformers as they are, except those that one of the hook points belongs to."""
    looked_at = set(hook_points)
    norms = [place for block in blocks for place in _norms(block) if looked_at.isdisjoint(place[2].modules())]
    try:
        for parent, name, norm in norms:
            setattr(parent, name, norm.original_component)
        yield
    finally:
        for parent, name, norm in norms:
            setattr(parent, name, norm)


def _norms(block: BlockBridge) -> Iterator[tuple[nn.Module, str, NormalizationBridge]]:
    """The wrapped norms of a block that give what the norm of transformers gives, each with its parent and name."""
    layer = block.original_component
    if layer is None:
        return
    for name, part in layer.named_children():
        if isinstance(part, NormalizationBridge) and part.use_native_layernorm_autograd:
            yield layer, name, part
