"""The split: nothing that is scored on was shown to the explainer, nothing negative is active."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.examples import across_deciles, split_examples
from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples
from sae_assets_tests.interpretation.features import word_feature


def window(context_idx: int, peak: float, text: str | None = None) -> ExampleWindow:
    pieces = (text if text is not None else f"text {context_idx}", " end")
    return ExampleWindow(context_idx, pieces, np.array([peak, 0], dtype=np.float32))


WINDOWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 30)), max_size=12)
"""Context, peak and text of windows, with repetitions."""


@given(
    groups=st.lists(WINDOWS, max_size=4),
    silent=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1), st.integers(0, 60)), max_size=20),
    n_explaining=st.integers(1, 10),
    n_silent=st.integers(0, 10),
)
def test_parts_are_disjoint_by_context_and_text_whatever_comes_in(
    groups: list[list[tuple[int, int, int]]], silent: list[tuple[int, int, int]], n_explaining: int, n_silent: int
) -> None:
    activating = [ExampleGroup("g", [window(c, p, f"text {t}") for c, p, t in group]) for group in groups]
    feature = FeatureExamples(0, 5.0, activating, [window(c, p, f"text {t}") for c, p, t in silent])
    split = split_examples(feature, n_explaining, n_silent)
    parts = [split.explaining, split.scoring, split.silent]
    for key in (lambda w: w.context_idx, lambda w: w.text):
        keys = [{key(w) for w in part} for part in parts]
        assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]
    assert all(w.peak > 0 for w in (*split.explaining, *split.scoring))
    assert all(w.peak == 0 for w in split.silent)
    assert len(split.explaining) <= n_explaining and len(split.silent) <= n_silent
    assert len(split.scoring) + 1 >= len(split.explaining)


def test_both_sides_see_strong_windows_and_all_bands() -> None:
    groups = [
        ExampleGroup("top", [window(i, 10 - i / 10) for i in range(10)]),
        ExampleGroup("band", [window(100 + i, 3 - i / 10) for i in range(10)]),
    ]
    split = split_examples(FeatureExamples(0, 10.0, groups, []), 7, 20)
    assert [w.context_idx for w in split.explaining] == [0, 2, 4, 6, 100, 102, 104]
    assert {1, 3, 5, 7, 9} <= {w.context_idx for w in split.scoring}
    assert {101, 103, 105} <= {w.context_idx for w in split.scoring}


def test_few_windows_are_halved_and_a_single_one_explains() -> None:
    groups = [ExampleGroup("top", [window(i, 1 + i) for i in range(4)])]
    split = split_examples(FeatureExamples(0, 4.0, groups, []), 7, 20)
    assert (len(split.explaining), len(split.scoring)) == (2, 2)
    single = split_examples(FeatureExamples(0, 4.0, [ExampleGroup("top", [window(1, 1)])], []), 7, 20)
    assert (len(single.explaining), len(single.scoring)) == (1, 0)


def test_window_that_is_said_to_be_silent_and_is_not_is_left_out() -> None:
    feature = FeatureExamples(0, 1.0, [], [window(1, 0), window(2, 0.01)])
    assert [w.context_idx for w in split_examples(feature, 7, 20).silent] == [1]


def test_deciles_take_turns_and_hold_a_tenth_each() -> None:
    windows = split_examples(word_feature(n_activating=60), 10, 20).scoring
    ranked = across_deciles(windows, random.Random(0))
    assert len(ranked) == len(windows) == 50
    assert {r.decile for r in ranked[:10]} == set(range(10))
    weakest = [r.window.peak for r in ranked if r.decile == 0]
    strongest = [r.window.peak for r in ranked if r.decile == 9]
    assert len(weakest) == len(strongest) == 5
    assert max(weakest) < min(strongest)
