"""Mean, deviation, range, histogram and ends of long rows, by tiles of rows that stay in the processor's cache.

A whole block would go through memory once for each of some ten passes. What comes out is the same whatever the tiles.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from sae_assets.dictionary.ranking import Largest, largest

GROUP = 32
"""Columns in a group; the ends of a row lie in the groups that reach farthest."""
N_BINS = 50
"""Bins of a histogram."""
MAX_TILE_ROWS = 512
"""Rows in a tile, at most, so that 16 bits number all their bins."""


class NotFiniteRowError(Exception):
    """A row holds a value that is NaN or infinite."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row
        """The first such row."""


class RowStatistics(NamedTuple):
    """What is said of each row."""

    mean: Float32[Tensor, "row"]
    """Mean."""
    std: Float32[Tensor, "row"]
    """Population standard deviation."""
    minimum: Float32[Tensor, "row"]
    """Smallest value."""
    maximum: Float32[Tensor, "row"]
    """Largest value."""
    histogram: Int64[Tensor, "row bin"]
    """Values in 50 equal bins from the minimum up to the maximum; all in the first where these are equal."""


class RowBlock:
    """Rows that are filled again and again, with the room that their statistics take; it never changes them."""

    def __init__(self, values: Float32[Tensor, "row column"], tile_rows: int) -> None:
        """Takes the room.

        Args:
            values: the rows, read anew by each call.
            tile_rows: rows in a tile, `MAX_TILE_ROWS` at most; divides their number, so that all tiles have one shape.
        """
        n_rows, n_columns = values.shape
        self._values = values
        self._n_groups = n_columns // GROUP
        # A group is every n_groups-th column, so that whole vectors are compared; the columns left over stand alone.
        n_grouped = self._n_groups * GROUP
        self._grouped, self._alone = values[:, :n_grouped].unflatten(1, (GROUP, self._n_groups)), values[:, n_grouped:]
        self._maxima = values.new_empty(n_rows, self._n_groups + n_columns - n_grouped)
        self._minima = torch.empty_like(self._maxima)
        self._centred = values.new_empty(tile_rows, n_columns)
        self._bins = torch.empty(tile_rows, n_columns, dtype=torch.int16, device=values.device)
        self._first_bin = torch.arange(tile_rows, dtype=torch.int16, device=values.device)[:, None] * (N_BINS + 1)

    def statistics(self, n_rows: int) -> RowStatistics:
        """Those of the first rows, which the methods below need first.

        Raises:
            NotFiniteRowError: a value of these rows, or of the rest of their last tile, is NaN or infinite.
        """
        tiles = [self._tile(first) for first in range(0, n_rows, len(self._centred))]
        return RowStatistics(*(torch.cat(column)[:n_rows] for column in zip(*tiles, strict=True)))

    def largest(self, n_rows: int, k: int) -> Largest:
        """The k largest values of the first rows, exactly as a stable sort has them."""
        return self._farthest(n_rows, k, self._maxima[:n_rows], 1)

    def smallest(self, n_rows: int, k: int) -> Largest:
        """The k smallest values of the first rows, ascending; of equal values the smaller column comes first."""
        found = self._farthest(n_rows, k, self._minima[:n_rows], -1)
        return Largest(found.values.neg_(), found.columns)

    def _tile(self, first: int) -> RowStatistics:
        rows = slice(first, first + len(self._centred))
        values, maxima, minima = self._values[rows], self._maxima[rows], self._minima[rows]
        torch.amax(self._grouped[rows], 1, out=maxima[:, : self._n_groups])
        torch.amin(self._grouped[rows], 1, out=minima[:, : self._n_groups])
        maxima[:, self._n_groups :] = minima[:, self._n_groups :] = self._alone[rows]
        maximum, minimum = maxima.amax(1), minima.amin(1)
        # One that is NaN or infinite makes the range so.
        is_finite = (maximum - minimum).isfinite()
        if not is_finite.all():
            raise NotFiniteRowError(first + int((~is_finite).nonzero()[0]))
        mean = values.sum(1) / values.shape[1]
        torch.sub(values, mean[:, None], out=self._centred)
        # Many times faster than `torch.std`, which takes one value after the other.
        std = torch.linalg.vector_norm(self._centred, dim=1) / math.sqrt(values.shape[1])
        return RowStatistics(mean, std, minimum, maximum, self._histogram(values, minimum, maximum))

    def _histogram(
        self, values: Float32[Tensor, "row column"], minimum: Float32[Tensor, "row"], maximum: Float32[Tensor, "row"]
    ) -> Int64[Tensor, "row bin"]:
        """Counts the values of a tile, in the room of the centred ones: their mean would move values on an edge."""
        spread = maximum - minimum
        # A spread so small that 50 divided by it is infinite is as good as none.
        per_bin = torch.where(spread > 0, N_BINS / spread, 0).clamp_(max=torch.finfo(spread.dtype).max)
        above = torch.sub(values, minimum[:, None], out=self._centred)
        self._bins.copy_(above.mul_(per_bin[:, None])).add_(self._first_bin)
        shape = len(spread), N_BINS + 1
        counts = torch.bincount(self._bins.view(-1), minlength=math.prod(shape)).view(shape)
        # The maximum is the end of the last bin, which is the beginning of one more.
        counts[:, N_BINS - 1] += counts[:, N_BINS]
        return counts[:, :N_BINS]

    def _farthest(self, n_rows: int, k: int, reach: Float32[Tensor, "row group"], sign: int) -> Largest:
        """The k largest of values × sign."""
        values, n_groups = self._values[:n_rows], self._n_groups
        if n_groups <= k:
            return self._of_all_columns(torch.arange(n_rows, device=values.device), k, sign)
        farthest = (reach[:, :n_groups] * sign).topk(k + 1)
        groups = farthest.indices.sort(1).values
        grouped = self._grouped[:n_rows].gather(2, groups[:, None, :].expand(-1, GROUP, -1)).flatten(1)
        # In the order of their columns, by which `largest` decides ties.
        found = largest(torch.cat([grouped, self._alone[:n_rows]], 1).mul_(sign), k)
        in_group, position = found.columns < grouped.shape[1], found.columns % (k + 1)
        column = found.columns // (k + 1) * n_groups + groups.gather(1, position)
        column = torch.where(in_group, column, found.columns - grouped.shape[1] + n_groups * GROUP)
        # A group that was left out may hold a value equal to the last one.
        tied = (farthest.values[:, -1] == found.values[:, -1]).nonzero().squeeze(1)
        if len(tied):
            found.values[tied], column[tied] = self._of_all_columns(tied, k, sign)
        return Largest(found.values, column)

    def _of_all_columns(self, rows: Int64[Tensor, "chosen"], k: int, sign: int) -> Largest:
        """The k largest values × sign of the chosen rows; a tile at a time, since all may be chosen."""
        tiles = [largest(self._values[tile] * sign, k) for tile in rows.split(len(self._centred))]
        return Largest(*(torch.cat(column) for column in zip(*tiles, strict=True)))
