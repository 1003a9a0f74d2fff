"""A sorted list of features of which only the wanted page is ever sorted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64


@dataclass(frozen=True, eq=False)
class Ordering:
    """Features in ascending order of (key, index)."""

    indices: Int64[np.ndarray, "listed"]
    """The features, ascending by index."""
    keys: Float64[np.ndarray, "listed"]
    """What each is sorted by; infinite for those that come last, never NaN."""

    def __len__(self) -> int:
        return len(self.indices)

    def key_of(self, index: int) -> float | None:
        """The key of a feature; None where it is not in the list."""
        place = int(np.searchsorted(self.indices, index))
        return float(self.keys[place]) if place < len(self) and self.indices[place] == index else None

    def n_before(self, key: float, index: int) -> int:
        """How many come before this place."""
        return int(np.count_nonzero(self._is_before(key, index)))

    def first(self, n: int) -> Int64[np.ndarray, "page"]:
        """The first `n` in their order."""
        if n < len(self):
            bound = np.partition(self.keys, n - 1)[n - 1]
            below = np.flatnonzero(self.keys < bound)
            ties = np.flatnonzero(self.keys == bound)[: n - len(below)]
            places = np.sort(np.concatenate([below, ties]))
        else:
            places = np.arange(len(self))
        return self.indices[places[np.argsort(self.keys[places], kind="stable")]]

    def after(self, key: float, index: int, n: int) -> Int64[np.ndarray, "page"]:
        """The next `n` behind this place, whether or not a feature stands there any more."""
        is_behind = (self.keys > key) | ((self.keys == key) & (self.indices > index))
        return Ordering(self.indices[is_behind], self.keys[is_behind]).first(n)

    def before(self, key: float, index: int, n: int) -> Int64[np.ndarray, "page"]:
        """The last `n` in front of this place, in their order."""
        is_before = self._is_before(key, index)
        # Seen from behind, both the keys and, among equal ones, the indices ascend.
        mirrored = Ordering(-self.indices[is_before][::-1], -self.keys[is_before][::-1])
        return -mirrored.first(n)[::-1]

    def _is_before(self, key: float, index: int) -> np.ndarray:
        return (self.keys < key) | ((self.keys == key) & (self.indices < index))
