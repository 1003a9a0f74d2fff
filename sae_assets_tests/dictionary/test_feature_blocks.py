"""What is found active in blocks of features is what a look at every value finds, whatever the ties and the blocks."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.dictionary.active_features import ActiveFeatures
from sae_assets.dictionary.encoder_blocks import BLOCK_FEATURES, EncoderBlocks, Linear
from sae_assets.dictionary.feature_blocks import WIDTH, FeatureBlock, above_in_blocks, largest_of_blocks

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
tables = st.tuples(
    st.integers(1, 4),
    st.integers(1, 5000),
    st.integers(1, 3),
    st.sampled_from([2, 9, 10**6]),
    st.sampled_from(DTYPES),
    st.integers(0, 10**6),
)


def table_of(case) -> torch.Tensor:
    n_tokens, n_features, _, n_levels, dtype, seed = case
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(0, n_levels, (n_tokens, n_features), generator=generator) / n_levels - 0.5).to(dtype)


def blocks_of(table: torch.Tensor, n_blocks: int) -> list[FeatureBlock]:
    edges = torch.linspace(0, table.shape[1], n_blocks + 1).int().tolist()
    blocks = []
    for first, last in pairwise(edges):
        hidden = torch.nn.functional.pad(table[:, first:last], (0, -(last - first) % WIDTH), value=-torch.inf)
        blocks.append(FeatureBlock(slice(first, last), hidden.contiguous()))
    return [block for block in blocks if block.hidden.numel()]


def placed(active: ActiveFeatures, like: torch.Tensor) -> torch.Tensor:
    assert torch.equal(active.token, active.token.sort().values)
    assert len(set(zip(active.token.tolist(), active.feature.tolist(), strict=True))) == len(active.token)
    return torch.zeros_like(like).index_put((active.token, active.feature), active.value)


@settings(max_examples=150, deadline=None)
@given(case=tables, data=st.data())
def test_largest_are_those_of_a_stable_sort(case, data):
    table = table_of(case)
    k = data.draw(st.integers(1, 80))
    ranked = torch.sort(table, dim=1, descending=True, stable=True)
    expected = torch.zeros_like(table).scatter(1, ranked.indices[:, :k], ranked.values[:, :k].clamp(min=0))
    assert torch.equal(placed(largest_of_blocks(blocks_of(table, case[2]), k), table), expected)


@settings(max_examples=150, deadline=None)
@given(case=tables, has_threshold=st.booleans())
def test_what_lies_above_is_found_completely(case, has_threshold):
    table = table_of(case)
    threshold = torch.rand(table.shape[1]).mul(8).round().div(16) if has_threshold else None
    expected = torch.where(table > (0 if threshold is None else threshold), table, 0).clamp(min=0)
    assert torch.equal(placed(above_in_blocks(blocks_of(table, case[2]), threshold), table), expected)


@pytest.mark.parametrize("d_sae", [100, BLOCK_FEATURES, BLOCK_FEATURES + 100])
@pytest.mark.parametrize("has_gate", [False, True])
def test_blocks_are_the_encoders_product(d_sae, has_gate):
    generator = torch.Generator().manual_seed(0)

    def linear() -> Linear:
        return Linear(torch.randn(8, d_sae, generator=generator), torch.randn(d_sae, generator=generator))

    encoder, gate = linear(), linear() if has_gate else None
    blocks = EncoderBlocks(encoder, gate, torch.float32)
    for n_tokens in (3, 5, 3):  # the memory is used again
        x = torch.randn(n_tokens, 8, generator=generator)
        expected = x @ encoder.weight + encoder.bias
        if gate is not None:
            expected = expected * torch.sigmoid(x @ gate.weight + gate.bias)
        found = []
        for features, hidden in blocks.of(x):
            n_features = features.stop - features.start
            found.append(hidden[:, :n_features].clone())
            assert hidden.shape[1] % WIDTH == 0
            assert torch.equal(hidden[:, n_features:], torch.full_like(hidden[:, n_features:], -torch.inf))
        torch.testing.assert_close(torch.cat(found, 1), expected)
