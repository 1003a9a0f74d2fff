"""How the features of an analysis are spread. Edges are short decimals, so that a link can name a bar exactly."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from sae_assets.web.models.base import Bar

LOG_DENSITY_STEP = 0.25
"""Width of a bar in log10 of the density."""
ACT_BARS = 30
"""Bars of the largest activation: at most so many."""
SCORE_BARS_A_UNIT = 10
"""Bars from a score of 0 to 1."""

Values = Float[np.ndarray, "value"]


def log_density_bars(log_density: Values) -> list[Bar]:
    """Bars of log10 of the density; 0, the largest there is, belongs to the bar that ends there."""
    return _bars(log_density, _edges(log_density, LOG_DENSITY_STEP, largest=0.0))


def act_bars(max_act: Values) -> list[Bar]:
    """Bars of the largest activation, of a width of 1, 2 or 5 times a power of ten."""
    if not len(max_act):
        return []
    spread = float(max_act.max() - max_act.min()) or float(max_act.max()) or 1.0
    power = 10.0 ** math.floor(math.log10(spread / ACT_BARS))
    step = next(size * power for size in (1, 2, 5, 10, 20) if spread / (size * power) <= ACT_BARS - 1)
    return _bars(max_act, _edges(max_act, step))


def score_bars(scores: Values) -> list[Bar]:
    """Bars of a score, in tenths from 0, or from -1 where one is below 0; 1 belongs to the bar that ends there."""
    if not len(scores):
        return []
    first = -SCORE_BARS_A_UNIT if scores.min() < 0 else 0
    return _bars(scores, np.arange(first, SCORE_BARS_A_UNIT + 1) / SCORE_BARS_A_UNIT)


def even_bars(counts: list[int], start: float, stop: float) -> list[Bar]:
    """Bars of equal width."""
    edges = np.linspace(start, stop, len(counts) + 1).tolist()
    return [Bar(start=low, stop=high, count=count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _edges(values: Values, step: float, largest: float = math.inf) -> Values:
    """Multiples of `step` from the one below the smallest value to the one above the largest value."""
    if not len(values):
        return np.zeros(0)
    digits = max(0, 2 - math.floor(math.log10(step)))  # so that 3 * 0.1 is 0.3
    first, last = math.floor(values.min() / step), math.ceil(values.max() / step)
    edges = [round(place * step, digits) for place in range(first - 1, last + 2)]
    high = min(place for place, edge in enumerate(edges) if edge > values.max() or edge == largest)
    low = max(place for place, edge in enumerate(edges[:high]) if edge <= values.min())
    return np.array(edges[low : high + 1])


def _bars(values: Values, edges: Values) -> list[Bar]:
    if not len(edges):
        return []
    places = np.searchsorted(edges, np.asarray(values, np.float64), side="right") - 1
    counts = np.bincount(places.clip(0, len(edges) - 2), minlength=len(edges) - 1).tolist()
    return [
        Bar(start=low, stop=high, count=count)
        for low, high, count in zip(edges.tolist(), edges[1:].tolist(), counts, strict=False)
    ]
