"""Bars count every value once, and a bar's edges as a filter find the very features that it counts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.histograms import act_bars, log_density_bars, score_bars
from sae_assets.web.models.base import Bar

ACTS = st.floats(2**-20, 1e6, width=32)


def counted(bars: list[Bar], values: list[float], largest: float) -> list[int]:
    """How many values each bar holds, by the rule of the filters."""
    return [
        sum(bar.start <= value and (value <= bar.stop if bar.stop == largest else value < bar.stop) for value in values)
        for bar in bars
    ]


@given(st.lists(ACTS, max_size=50))
def test_bars_of_activations_count_what_their_edges_filter(values: list[float]):
    bars = act_bars(np.array(values, float))
    assert [bar.count for bar in bars] == counted(bars, values, math.inf)
    assert sum(bar.count for bar in bars) == len(values)
    assert len(bars) <= 31


@given(st.lists(st.floats(-9, 0) | st.sampled_from([0.0, -0.25, -3.0]), max_size=50))
def test_bars_of_densities_count_what_their_edges_filter(values: list[float]):
    bars = log_density_bars(np.array(values, float))
    assert [bar.count for bar in bars] == counted(bars, values, 0.0)
    assert sum(bar.count for bar in bars) == len(values)


@given(st.lists(st.floats(-1, 1) | st.integers(-10, 10).map(lambda tenths: tenths / 10), max_size=50))
def test_bars_of_scores_count_what_their_edges_filter(values: list[float]):
    bars = score_bars(np.array(values, float))
    assert [bar.count for bar in bars] == counted(bars, values, 1.0)
    assert sum(bar.count for bar in bars) == len(values)


def test_scores_begin_at_0_unless_one_is_below():
    assert score_bars(np.array([0.3, 1.0]))[0].start == 0
    assert score_bars(np.array([0.3, -0.1]))[0].start == -1


@given(st.lists(ACTS, min_size=1, max_size=20))
def test_edges_are_short_decimals(values: list[float]):
    edges = [bar.start for bar in act_bars(np.array(values, float))]
    assert all(len(json.dumps(edge).replace(".", "").strip("0")) <= 10 for edge in edges if "e" not in json.dumps(edge))


@pytest.mark.parametrize("bars", [act_bars, log_density_bars, score_bars])
def test_nothing_counted_has_no_bars(bars):
    assert bars(np.zeros(0)) == []
