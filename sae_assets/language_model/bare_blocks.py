"""Blocks without the hook points inside them: what TransformerLens costs is paid only where someone looks.

TransformerLens wraps each part of a block so that its intermediate values can be hooked, and computes some of them, such
as a norm's scale, a second time for it. The parts that it wraps are those of transformers and are still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn
from transformer_lens.model_bridge.generalized_components import GeneralizedComponent

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint
    from transformer_lens.model_bridge.generalized_components import BlockBridge


@contextmanager
def bare_blocks(blocks: Iterable[BlockBridge], hook_points: Iterable[HookPoint]) -> Iterator[None]:
    """Lets blocks run the parts of transformers as they are, except those that one of the hook points lies inside.

    What goes into a block and what comes out of it can be hooked all the same.
    """
    looked_at = set(hook_points)
    wrapped = [place for block in blocks if _inside(block).isdisjoint(looked_at) for place in _wrapped_parts(block)]
    try:
        for parent, name, part in wrapped:
            setattr(parent, name, part.original_component)
        yield
    finally:
        for parent, name, part in wrapped:
            setattr(parent, name, part)


def _inside(block: BlockBridge) -> set[nn.Module]:
    """All modules of a block, hook points among them, but for those at its two ends."""
    return set(block.modules()) - {block.hook_in, block.hook_out}


def _wrapped_parts(wrapper: GeneralizedComponent) -> Iterator[tuple[nn.Module, str, GeneralizedComponent]]:
    """The wrapped parts of what a wrapper wraps, at any depth, each with its parent among the parts of transformers."""
    if wrapper.original_component is not None:
        yield from _wrapped_children(wrapper.original_component)


def _wrapped_children(module: nn.Module) -> Iterator[tuple[nn.Module, str, GeneralizedComponent]]:
    for name, child in module.named_children():
        if isinstance(child, GeneralizedComponent):
            if child.original_component is not None:
                yield module, name, child
            yield from _wrapped_parts(child)
        else:
            yield from _wrapped_children(child)
