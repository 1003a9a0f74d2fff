"""From contexts to activations: the language model run in batches of one fixed shape.

The last bits of a matrix product depend on its shape. With one shape for all batches, the last one filled up, a
context's activations do not depend on how many contexts there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from sae_assets.activations.batch import ActivationBatch, ContextBatch
from sae_assets.activations.contexts import Context
from sae_assets.language_model.model import TransformerLensLanguageModel

TOKENS_A_PASS = 1024
"""Tokens in a forward pass where `model_batch_size` is not set."""


def model_activations(
    contexts: Iterable[Context],
    model: TransformerLensLanguageModel,
    hook_point: str,
    dtype: torch.dtype,
    model_batch_size: int | None = None,
) -> Iterator[ActivationBatch]:
    """The activations of contexts at a hook point, one forward pass a batch.

    Args:
        dtype: precision that the activations are given in.
        model_batch_size: contexts in a forward pass; as many as make about 1,024 tokens where not given.

    Raises:
        UserError: the hook point does not exist, or the contexts are longer than the model can take.
    """
    stream = iter(contexts)
    while rows := list(islice(stream, model_batch_size or 1)):
        if model_batch_size is None:
            model_batch_size = max(1, TOKENS_A_PASS // len(rows[0].tokens))
            rows += islice(stream, model_batch_size - 1)
        batch = ContextBatch.of(rows)
        filling = batch.tokens[:1].expand(model_batch_size - len(rows), -1)
        activations = model.activations(torch.cat([batch.tokens, filling]), [hook_point])[hook_point]
        yield ActivationBatch(*batch, activations[: len(rows)].to(dtype))
