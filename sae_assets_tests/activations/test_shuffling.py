"""Single tokens: each one that counts once, in full batches, in their order or in that of the seed."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.activations import ActivationBatch, TokenActivations
from sae_assets.activations.shuffling import single_tokens


def numbered(sizes: list[int], n_positions: int = 7, masked: float = 0.3) -> list[ActivationBatch]:
    """Batches of contexts whose tokens and activations are numbered; some count nowhere."""
    batches, first = [], 0
    for n_contexts in sizes:
        tokens = torch.arange(first, first + n_contexts * n_positions).view(n_contexts, n_positions)
        mask = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(first)) >= masked
        activations = torch.stack([tokens.float(), -tokens.float()], dim=-1)
        batches.append(ActivationBatch(torch.arange(n_contexts), tokens, mask, activations))
        first += tokens.numel()
    return batches


def counted(batches: list[ActivationBatch]) -> list[int]:
    return [int(token) for batch in batches for token in batch.tokens[batch.mask]]


def order_of(parts: Iterator[TokenActivations]) -> list[int]:
    return [int(token) for part in parts for token in part.tokens]


cases = st.tuples(
    st.lists(st.integers(1, 9), max_size=8),
    st.integers(1, 30),
    st.one_of(st.none(), st.integers(1, 120)),
    st.integers(0, 100),
)


@settings(max_examples=100, deadline=None)
@given(case=cases)
def test_every_token_that_counts_comes_once_with_its_activation(case):
    sizes, batch_size, buffer_size, seed = case
    batches = numbered(sizes)
    parts = list(single_tokens(batches, batch_size, buffer_size, seed))
    assert sorted(order_of(iter(parts))) == counted(batches)
    for part in parts:
        assert part.activations.tolist() == [[token, -token] for token in part.tokens.tolist()]


@settings(max_examples=100, deadline=None)
@given(case=cases)
def test_all_batches_but_the_last_are_full(case):
    sizes, batch_size, buffer_size, seed = case
    lengths = [len(part.tokens) for part in single_tokens(numbered(sizes), batch_size, buffer_size, seed)]
    assert all(length == batch_size for length in lengths[:-1])
    assert all(1 <= length <= batch_size for length in lengths)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), max_size=8), batch_size=st.integers(1, 30))
def test_without_a_buffer_tokens_keep_their_order(sizes, batch_size):
    batches = numbered(sizes)
    assert order_of(single_tokens(batches, batch_size, None, 0)) == counted(batches)


def test_the_order_is_that_of_the_seed():
    batches = numbered([5] * 10)
    order = order_of(single_tokens(batches, 8, 100, seed=1))
    assert order == order_of(single_tokens(batches, 8, 100, seed=1))
    assert order != order_of(single_tokens(batches, 8, 100, seed=2))


def test_a_buffer_mixes_tokens_of_far_contexts():
    batches = numbered([1] * 200, masked=0.0)
    order = order_of(single_tokens(batches, 10, 700, seed=0))
    assert sum(abs(a - b) > 70 for a, b in pairwise(order)) > len(order) / 2


@pytest.mark.parametrize("buffer_size", [None, 50, 200])
def test_no_more_is_pulled_than_the_buffer_takes(buffer_size):
    n_pulled = 0

    def pulled() -> Iterator[ActivationBatch]:
        nonlocal n_pulled
        for batch in numbered([1] * 100, masked=0.0):
            n_pulled += len(batch.tokens[0])
            yield batch

    n_given = 0
    for part in single_tokens(pulled(), 10, buffer_size, 0):
        assert n_pulled - n_given <= (buffer_size or 10) + 7
        n_given += len(part.tokens)
    assert n_given == 700
