"""How sure a mean is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

N_RESAMPLES = 2000
LEVEL = 0.95
SEED = 0
DRAWN_AT_A_TIME = 1 << 20
"""Values that are drawn together; 16 MB with their places."""


class Mean(NamedTuple):
    """A mean with its 95 % bootstrap percentile interval."""

    n: int
    """Values that it is the mean of."""
    value: float
    """The mean."""
    low: float | None
    """Lower end of the interval; None where there is one value only, which says nothing of how values vary."""
    high: float | None
    """Upper end of the interval."""


def bootstrap_mean(values: Float64[np.ndarray, "value"]) -> Mean | None:
    """The mean of the values and the interval in which 95 % of the means of resampled values lie; None for no values.

    The same values give the same interval in every run: the draws are seeded.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13: the percentile interval.
    """
    n = len(values)
    if n < 2:
        return Mean(n, float(values[0]), None, None) if n else None
    rng = np.random.default_rng(SEED)
    means = np.empty(N_RESAMPLES)
    step = max(1, DRAWN_AT_A_TIME // n)
    for first in range(0, N_RESAMPLES, step):
        block = means[first : first + step]
        block[:] = values[rng.integers(0, n, (len(block), n))].mean(axis=1)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail]).tolist()
    return Mean(n, float(values.mean()), low, high)
