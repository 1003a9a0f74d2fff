"""Statistics and ends of rows equal numpy's and a stable sort, whatever the tiles, ties and columns left over."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis.row_statistics import GROUP, N_BINS, NotFiniteRowError, RowBlock

shapes = st.tuples(st.integers(1, 6), st.integers(1, 12 * GROUP), st.integers(0, 10**6))


def whole_numbers(n_rows: int, n_columns: int, seed: int, n_different: int) -> torch.Tensor:
    """Rows full of ties."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-n_different, n_different + 1, (n_rows, n_columns), generator=generator).float()


def stable(values: torch.Tensor, k: int, descending: bool) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.sort(values, dim=1, descending=descending, stable=True)
    return found.values[:, :k], found.indices[:, :k]


@settings(max_examples=150, deadline=None)
@given(shape=shapes, n_different=st.sampled_from([0, 1, 5, 1000]), k=st.integers(1, 6))
def test_the_ends_are_those_of_a_stable_sort(shape, n_different, k):
    n_rows, n_columns, seed = shape
    values, k = whole_numbers(n_rows, n_columns, seed, n_different), min(k, n_columns)
    block = RowBlock(values, 1)
    block.statistics(n_rows)
    for found, descending in ((block.largest(n_rows, k), True), (block.smallest(n_rows, k), False)):
        expected_values, expected_columns = stable(values, k, descending)
        assert torch.equal(found.values, expected_values)
        assert torch.equal(found.columns, expected_columns)


@settings(max_examples=60, deadline=None)
@given(shape=shapes, shift=st.sampled_from([0.0, 3.0, -1000.0]))
def test_statistics_equal_numpys(shape, shift):
    n_rows, n_columns, seed = shape
    values = torch.randn(n_rows, n_columns, generator=torch.Generator().manual_seed(seed)) + shift
    found, exact = RowBlock(values, n_rows).statistics(n_rows), values.double().numpy()
    np.testing.assert_allclose(found.mean, exact.mean(1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.std, exact.std(1), rtol=1e-4, atol=abs(shift) * 1e-6)
    np.testing.assert_array_equal(found.minimum, exact.min(1))
    np.testing.assert_array_equal(found.maximum, exact.max(1))
    for row, histogram in zip(exact, found.histogram, strict=True):
        if row.min() == row.max():
            assert histogram.tolist() == [n_columns] + [0] * (N_BINS - 1)
            continue
        expected, edges = np.histogram(row, N_BINS, (row.min(), row.max()))
        # Rounding, of values that are far from 0 above all, decides only about those on an edge between two bins.
        on_edge = np.isclose(row[:, None], edges[1:-1], rtol=1e-6, atol=1e-5).sum()
        assert np.abs(np.cumsum(histogram) - np.cumsum(expected)).max() <= on_edge
        assert histogram[-1] >= 1


@pytest.mark.parametrize("tile_rows", [2, 3, 6, 12])
def test_statistics_do_not_depend_on_the_tiles(tile_rows):
    # As long as a vocabulary: torch divides such rows among its threads.
    values = torch.randn(12, 50_257, generator=torch.Generator().manual_seed(0))
    some, whole = RowBlock(values, tile_rows).statistics(12), RowBlock(values, 4).statistics(12)
    for name in whole._fields:
        assert torch.equal(getattr(some, name), getattr(whole, name)), name


def test_rows_after_the_first_ones_are_left_out():
    values = whole_numbers(6, 400, 0, 1000)
    few, whole = RowBlock(values, 2), RowBlock(values, 2)
    for some, all_rows in zip(few.statistics(3), whole.statistics(6), strict=True):
        assert torch.equal(some, all_rows[:3])
    assert torch.equal(few.largest(3, 4).columns, whole.largest(6, 4).columns[:3])


def test_the_rows_stay_as_they_are_and_are_read_anew():
    values = whole_numbers(2, 300, 0, 1000)
    before, block = values.clone(), RowBlock(values, 2)
    first = block.statistics(2)
    block.largest(2, 3)
    block.smallest(2, 3)
    assert torch.equal(values, before)
    values.mul_(2)
    assert torch.equal(block.statistics(2).maximum, first.maximum * 2)


@pytest.mark.parametrize("values", [[0.0, 1e-45], [-1e30, 1e30], [1e6, 1e6 + 0.0625], [-5.0, -5.0]])
def test_extreme_ranges_lose_no_value(values):
    histogram = RowBlock(torch.tensor([values]), 1).statistics(1).histogram
    assert histogram.sum() == 2
    assert histogram[0, 0] >= 1


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("column", [0, 40, 70])
def test_the_first_row_that_is_not_finite_is_named(bad, column):
    values = torch.zeros(5, 71)
    values[2:4, column] = bad
    with pytest.raises(NotFiniteRowError) as raised:
        RowBlock(values, 5).statistics(5)
    assert raised.value.row == 2


@pytest.mark.parametrize("seed", range(8))
def test_whole_numbers_on_an_edge_between_bins_fall_in_the_upper_one(seed):
    values = whole_numbers(6, 5000, seed, 20 + seed)
    low, high = values.long().amin(1, keepdim=True), values.long().amax(1, keepdim=True)
    bins = ((values.long() - low) * N_BINS // (high - low)).clamp(max=N_BINS - 1)
    expected = torch.stack([torch.bincount(row, minlength=N_BINS) for row in bins])
    assert torch.equal(RowBlock(values, 3).statistics(6).histogram, expected)
