"""The split: nothing that is scored on was shown to the explainer, nothing negative is active."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.examples import ExampleSplit, across_deciles, split_examples
from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples
from sae_assets_tests.interpretation.features import word_feature


def window(context_idx: int, peak: float, text: str | None = None) -> ExampleWindow:
    pieces = (text if text is not None else f"text {context_idx}", " end")
    return ExampleWindow(context_idx, pieces, np.array([peak, 0], dtype=np.float32))


WINDOWS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 30)), max_size=12)
"""Context, peak and text of windows, with repetitions."""
SILENT = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 1), st.integers(0, 60)), max_size=20)
"""The same of windows that are said to be silent; some are not."""


def windows_of(found: list[tuple[int, int, int]]) -> list[ExampleWindow]:
    return [window(context_idx, peak, f"text {text}") for context_idx, peak, text in found]


@given(
    groups=st.lists(WINDOWS, max_size=4),
    silent=SILENT,
    hard=SILENT,
    n_explaining=st.integers(1, 10),
    n_silent=st.integers(0, 10),
)
def test_parts_are_disjoint_by_context_and_text_whatever_comes_in(
    groups: list[list[tuple[int, int, int]]],
    silent: list[tuple[int, int, int]],
    hard: list[tuple[int, int, int]],
    n_explaining: int,
    n_silent: int,
) -> None:
    activating = [ExampleGroup("g", windows_of(group)) for group in groups]
    feature = FeatureExamples(0, 5.0, activating, windows_of(silent), hard_negatives=windows_of(hard))
    split = split_examples(feature, n_explaining, n_silent)
    parts = [split.explaining, split.scoring, split.silent]
    n_windows = sum(map(len, parts))
    assert len({w.context_idx for part in parts for w in part}) == n_windows
    assert len({w.text for part in parts for w in part}) == n_windows
    assert all(w.peak > 0 for w in (*split.explaining, *split.scoring))
    assert all(w.peak == 0 for w in split.silent)
    assert {(w.context_idx, w.text) for w in split.silent[: split.n_hard]} <= {
        (w.context_idx, w.text) for w in windows_of(hard)
    }
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


def test_split_that_shows_a_scored_window_to_the_explainer_is_refused() -> None:
    one, other = window(1, 1), window(2, 1)
    for scoring in (window(1, 2, "another text"), window(3, 2, "text 1")):
        with pytest.raises(AssertionError, match="in two parts of the split"):
            ExampleSplit((one, other), (scoring,), ())


def test_hard_negatives_are_drawn_before_others_and_are_no_more_than_asked_for() -> None:
    hard, others = [window(10 + i, 0) for i in range(4)], [window(20 + i, 0) for i in range(6)]
    active = [ExampleGroup("top", [window(1, 1), window(10, 1)])]
    split = split_examples(FeatureExamples(0, 1.0, active, others, hard_negatives=hard), 7, 8)
    assert [w.context_idx for w in split.silent] == [11, 12, 13, 20, 21, 22, 23, 24]
    for seed in range(10):
        drawn = [w.context_idx for w in split.draw_silent(5, random.Random(seed))]
        assert set(drawn[:3]) == {11, 12, 13} and len(set(drawn)) == 5
        assert len(split.draw_silent(2, random.Random(seed))) == 2
    few = split_examples(FeatureExamples(0, 1.0, active, others, hard_negatives=hard), 7, 2)
    assert ([w.context_idx for w in few.silent], few.n_hard) == ([11, 12], 2)


def test_silent_windows_are_drawn_at_random() -> None:
    split = split_examples(word_feature(n_silent=20), 7, 20)
    draws = {tuple(w.context_idx for w in split.draw_silent(5, random.Random(seed))) for seed in range(20)}
    assert len(draws) == 20
    assert len({context for draw in draws for context in draw}) == 20


def test_deciles_take_turns_and_hold_a_tenth_each() -> None:
    windows = split_examples(word_feature(n_activating=60), 10, 20).scoring
    ranked = across_deciles(windows, random.Random(0))
    assert len(ranked) == len(windows) == 50
    assert {r.decile for r in ranked[:10]} == set(range(10))
    weakest = [r.window.peak for r in ranked if r.decile == 0]
    strongest = [r.window.peak for r in ranked if r.decile == 9]
    assert len(weakest) == len(strongest) == 5
    assert max(weakest) < min(strongest)
