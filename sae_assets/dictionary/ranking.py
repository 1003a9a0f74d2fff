"""The largest values of each row, with ties decided: `torch.topk` promises nothing about them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

GROUP = 32
"""Columns in a group."""
FEWEST_GROUPS = 4
"""Groups for each value that is wanted, below which one pass over all columns is faster."""


class Largest(NamedTuple):
    """The largest values of each row and where they are."""

    values: Float[Tensor, "row k"]
    """The values, descending."""
    columns: Int64[Tensor, "row k"]
    """Their columns; of equal values the smaller column comes first, and is the one that is kept."""


def largest(values: Float[Tensor, "row column"], k: int) -> Largest:
    """The k largest values of each row, exactly as a stable sort has them; at least 1, at most all. None may be NaN."""
    found = _largest_in_any_order_of_ties(values, min(k + 1, values.shape[1]))
    columns, last = found.columns[:, :k], found.values[:, k - 1 : k]
    rows = (found.values[:, k:] == last).any(1).nonzero().squeeze(1)
    if len(rows):
        chosen = values[rows]
        is_last = chosen == last[rows]
        n_wanted = (found.values[rows, :k] == last[rows]).sum(1, keepdim=True)
        chosen[is_last & (is_last.cumsum(1, dtype=torch.int32) > n_wanted)] = -torch.inf
        columns[rows] = chosen.topk(k).indices
    columns = columns.sort(dim=1).values
    by_value = torch.sort(values.gather(1, columns), dim=1, descending=True, stable=True)
    return Largest(by_value.values, columns.gather(1, by_value.indices))


def _largest_in_any_order_of_ties(values: Float[Tensor, "row column"], k: int) -> Largest:
    """The k largest, which lie in the k groups of columns with the largest maxima: most columns are read only once."""
    n_groups, rest = divmod(values.shape[1], GROUP)
    if rest or n_groups < FEWEST_GROUPS * k:
        return Largest(*values.topk(k))
    # A group is every n_groups-th column, so that the maxima of all groups are taken by whole vectors.
    grouped = values.unflatten(1, (GROUP, n_groups))
    groups = grouped.amax(1).topk(k, sorted=False).indices
    candidates = grouped.gather(2, groups[:, None, :].expand(-1, GROUP, -1)).flatten(1)
    found = candidates.topk(k)
    return Largest(found.values, found.indices // k * n_groups + groups.gather(1, found.indices % k))
