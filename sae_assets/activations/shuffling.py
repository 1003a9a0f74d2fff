"""From contexts to single tokens in random order, for training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from sae_assets.activations.batch import ActivationBatch, TokenActivations


def single_tokens(
    batches: Iterable[ActivationBatch], batch_size: int, buffer_size: int | None, seed: int
) -> Iterator[TokenActivations]:
    """The tokens that count, `batch_size` at a time; the last batch may be smaller.

    With a `buffer_size`, in tokens, batches are drawn at random from a buffer that is refilled as soon as half of it is
    given out; without one, tokens come in their order.
    """
    generator = torch.Generator().manual_seed(seed)
    lowest = batch_size if buffer_size is None else max(batch_size, buffer_size // 2)
    held: list[TokenActivations] = []
    for batch in batches:
        held.append(TokenActivations(batch.tokens[batch.mask], batch.activations[batch.mask]))
        n_held = sum(len(part.tokens) for part in held)
        if n_held >= max(batch_size, buffer_size or 0):
            buffer = _mixed(held, generator if buffer_size else None)
            n_given = (n_held - lowest) // batch_size * batch_size + batch_size
            yield from _cut(TokenActivations(*(column[:n_given] for column in buffer)), batch_size)
            held = [TokenActivations(*(column[n_given:] for column in buffer))]
    if held:
        yield from _cut(_mixed(held, generator if buffer_size else None), batch_size)


def _mixed(parts: list[TokenActivations], generator: torch.Generator | None) -> TokenActivations:
    tokens, activations = (torch.cat(column) for column in zip(*parts, strict=True))
    if generator is None:
        return TokenActivations(tokens, activations)
    order = torch.randperm(len(tokens), generator=generator).to(tokens.device)
    return TokenActivations(tokens[order], activations[order])


def _cut(buffer: TokenActivations, batch_size: int) -> Iterator[TokenActivations]:
    for first in range(0, len(buffer.tokens), batch_size):
        yield TokenActivations(*(column[first : first + batch_size] for column in buffer))
