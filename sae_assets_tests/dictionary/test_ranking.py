"""The largest values are those of a stable sort, whatever the ties."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.dictionary.ranking import GROUP, largest


@settings(max_examples=200, deadline=None)
@given(
    n_rows=st.integers(1, 6),
    n_columns=st.integers(1, 40) | st.integers(1, 20).map(lambda groups: groups * GROUP),
    n_levels=st.sampled_from([1, 2, 8, 1000]),
    seed=st.integers(0, 10**6),
    data=st.data(),
)
def test_largest_equals_a_stable_sort(n_rows, n_columns, n_levels, seed, data):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randint(0, n_levels, (n_rows, n_columns), generator=generator).float()
    k = data.draw(st.integers(1, n_columns))
    expected = torch.sort(values, dim=1, descending=True, stable=True)
    result = largest(values, k)
    assert torch.equal(result.values, expected.values[:, :k])
    assert torch.equal(result.columns, expected.indices[:, :k])


def test_what_is_ranked_is_left_as_it_was():
    values = torch.zeros(3, 9)
    largest(values, 2)
    assert torch.equal(values, torch.zeros(3, 9))
