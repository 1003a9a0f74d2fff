"""Windows in prompts: on one line, whole runs marked, and no text that can pose as a mark or a line."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.marking import level, marked, marked_above, numbered
from sae_assets.interpretation.records import ExampleWindow


def test_neighbouring_marked_pieces_are_one_run() -> None:
    assert marked(["a", " b", " c", " d"], np.array([False, True, True, False])) == "a<< b c>> d"


def test_only_pieces_above_the_share_of_the_peak_are_marked() -> None:
    window = ExampleWindow(0, ("a", "b", "c"), np.array([10, 7, 6.9], dtype=np.float32))
    assert marked_above(window, 0.7) == "<<ab>>c"


def test_share_of_zero_marks_no_silent_piece() -> None:
    assert marked_above(ExampleWindow(0, ("a", "b"), np.array([1, 0], dtype=np.float32)), 0.0) == "<<a>>b"


def test_signs_of_the_text_do_not_pass_for_marks() -> None:
    assert marked(["cout", " <<", " x >> y"], np.array([False, False, True])) == "cout ‹‹<< x ›› y>>"


def test_levels_tell_faint_activity_from_silence() -> None:
    assert [level(value, 100) for value in (0, 0.1, 14, 51, 100, 120)] == [0, 1, 1, 5, 10, 10]


@given(st.lists(st.text() | st.text("a\n\r\v\f\x1c\x85\u2028\u2029"), min_size=1, max_size=4))
def test_every_example_is_one_line_whatever_its_text(texts: list[str]) -> None:
    lines = numbered(texts).splitlines()
    assert [json.loads(line.split(": ", 1)[1]) for line in lines] == texts
