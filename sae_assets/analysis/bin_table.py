"""Integer totals for each bin and feature. Most bins of a wide range stay empty, and those take no memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor


class BinTable:
    """Totals by bin and feature: integers, so that the order of adding changes nothing.

    One bin of all features lies together. On a CPU an untouched bin is memory that the system has promised and not yet
    given.
    """

    def __init__(self, n_bins: int, n_features: int, device: torch.device | str = "cpu"):
        """All totals are 0."""
        shape = (n_bins, n_features)
        is_on_cpu = torch.device(device).type == "cpu"
        self.totals: Int64[Tensor, "bin feature"] = (
            torch.from_numpy(np.zeros(shape, np.int64))
            if is_on_cpu
            else torch.zeros(shape, dtype=torch.int64, device=device)
        )

    @property
    def by_feature(self) -> Int64[Tensor, "feature bin"]:
        """The totals, a row a feature."""
        return self.totals.T

    def add(self, cell: Int64[Tensor, "value"], amount: Int64[Tensor, "value"]) -> None:
        """Adds each amount to its cell, which is bin · features + feature."""
        self.totals.view(-1).index_add_(0, cell, amount)

    def absorb(self, other: BinTable) -> None:
        """Adds the totals of another table."""
        for used in other._used():
            self.totals[used] += other.totals[used].to(self.totals.device)

    def _used(self) -> list[int]:
        return [number for number, totals in enumerate(self.totals) if totals.any()]

    def __getstate__(self) -> dict[str, Any]:
        """The bins that are used, which is what travels between processes."""
        used = self._used()
        return {"shape": tuple(self.totals.shape), "used": used, "totals": self.totals[used].cpu()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["shape"])
        self.totals[state["used"]] = state["totals"]
