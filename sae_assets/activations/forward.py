"""From contexts to activations: the language model run in batches of one fixed shape.

The last bits of a matrix product depend on its shape. With one shape for all batches, the last one filled up, a
context's activations do not depend on how many contexts there are.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import torch

from sae_assets.activations.batch import ActivationBatch, ContextBatch
from sae_assets.activations.context import Context
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings.errors import UserError

TOKENS_A_PASS = 1024
"""Tokens in a forward pass where `model_batch_size` is not set."""

logger = logging.getLogger(__name__)


def contexts_per_pass(model_batch_size: int | None, context_size: int) -> int:
    """Contexts in a forward pass: as many as the settings say, or as make about 1,024 tokens."""
    return model_batch_size or max(1, TOKENS_A_PASS // context_size)


def model_activations(
    contexts: Iterable[Context],
    model: TransformerLensLanguageModel,
    hook_point: str,
    dtype: torch.dtype,
    model_batch_size: int | None = None,
) -> Iterator[ActivationBatch]:
    """The activations of contexts at a hook point, one forward pass a batch.

    A pass that does not fit into memory is halved, for this call and all later ones with the model.

    Args:
        dtype: precision that the activations are given in.
        model_batch_size: contexts in a forward pass; as many as make about 1,024 tokens where not given.

    Raises:
        UserError: the hook point does not exist, the contexts are longer than the model can take, or a single one does
            not fit into memory.
    """
    stream = iter(contexts)
    while first := list(islice(stream, 1)):
        context_size = len(first[0].tokens)
        size = contexts_per_pass(model_batch_size, context_size)
        if model.largest_pass is not None:
            size = min(size, max(1, model.largest_pass // context_size))
        rows = first + list(islice(stream, size - 1))
        try:
            batch = _forward_pass(rows, size, model, hook_point, dtype)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            batch = None
        # What the pass had allocated is held by its error, which is gone here.
        if batch is None:
            _halve(size, context_size, model)
            stream = chain(rows, stream)
        else:
            yield batch


def _forward_pass(
    rows: Sequence[Context], size: int, model: TransformerLensLanguageModel, hook_point: str, dtype: torch.dtype
) -> ActivationBatch:
    """One pass over the contexts, filled up to `size` of them."""
    batch = ContextBatch.of(rows)
    filling = batch.tokens[:1].expand(size - len(rows), -1)
    activations = model.activations(torch.cat([batch.tokens, filling]), [hook_point])[hook_point]
    return ActivationBatch(*batch, activations[: len(rows)].to(dtype))


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory is what lacks. A processor's allocator has no error of its own, only a text."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _halve(size: int, context_size: int, model: TransformerLensLanguageModel) -> None:
    """Lets the passes of the model have half as many contexts.

    Raises:
        UserError: there is only one.
    """
    if size == 1:
        raise UserError(
            f"A forward pass over a single context of {context_size} tokens does not fit into the memory of "
            f"{str(model.device)!r}; lower `context_size` or give the model a `dtype` of two bytes."
        )
    half = size // 2
    model.largest_pass = half * context_size
    logger.warning(
        "A forward pass over %d contexts does not fit into memory, so each has %d from here on, and the last bits of "
        "activations can differ from those of larger passes; set `activation_factory.model_batch_size` to %d to have "
        "all passes alike.",
        size,
        half,
        half,
    )
