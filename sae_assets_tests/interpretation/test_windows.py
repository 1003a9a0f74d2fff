"""Windows: whole characters, text that joins, the peak inside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.records import ExampleWindow
from sae_assets.interpretation.windows import example_window

TEXT = "the cat sat 🐱 on a mat"
STARTS = [0, 0, 3, 7, 11, 12, 12, 12, 13, 16, 18, 0]
STOPS = [0, 3, 7, 11, 12, 13, 13, 13, 16, 18, 22, 0]
"""BOS, the, cat, sat, space, three tokens of one emoji, on, a, mat, padding."""


def cut(positions: list[int], values: list[float], max_length: int = 50, kept: range = range(12)) -> ExampleWindow:
    return example_window(3, TEXT, STARTS, STOPS, positions, values, kept, max_length)


def test_pieces_join_to_the_text_and_tokens_of_one_character_are_one_piece() -> None:
    window = cut([2, 6], [5.0, 2.0])
    assert window.text == TEXT
    assert window.pieces == ("the", " cat", " sat", " ", "🐱", " on", " a", " mat")
    assert window.activations.tolist() == [0, 5, 0, 0, 2, 0, 0, 0]


def test_window_holds_the_peak_in_its_middle_and_no_more_tokens_than_asked_for() -> None:
    window = cut([3, 9], [1.0, 4.0], max_length=3)
    assert window.pieces == (" on", " a", " mat")
    assert window.peak == 4


def test_window_never_leaves_the_positions_whose_activations_are_known() -> None:
    assert cut([3], [1.0], max_length=50, kept=range(2, 5)).pieces == (" cat", " sat", " ")


def test_inserted_tokens_show_only_where_the_feature_is_active_on_them() -> None:
    assert cut([2], [1.0]).pieces[0] == "the"
    assert cut([0], [1.0]).pieces[0] == ""


def test_silent_window_is_the_same_for_every_feature_and_never_of_padding_alone() -> None:
    assert cut([], [], max_length=2).pieces == cut([], [], max_length=2).pieces
    assert cut([], [], max_length=2).text.strip()


def test_context_without_text_gives_an_empty_window() -> None:
    assert cut([], [], kept=range(11, 12)).pieces == ()


def test_window_must_have_an_activation_for_every_piece() -> None:
    with pytest.raises(ValueError, match="2 pieces with 1 activations"):
        ExampleWindow(0, ("a", "b"), np.ones(1, dtype=np.float32))


@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    active=st.dictionaries(st.integers(0, 39), st.floats(0.5, 9, width=32), max_size=8),
    max_length=st.integers(1, 50),
)
def test_any_window_is_a_part_of_the_text_with_its_peak(
    lengths: list[int], active: dict[int, float], max_length: int
) -> None:
    stops = np.cumsum(lengths)
    starts = stops - lengths
    text = "".join(chr(97 + number % 26) for number in range(int(stops[-1])))
    active = {at: value for at, value in sorted(active.items()) if at < len(lengths) and lengths[at] > 0}
    window = example_window(
        1, text, starts, stops, list(active), list(active.values()), range(len(lengths)), max_length
    )
    assert window.text in text
    assert len(window.pieces) <= max_length
    assert window.peak == max(active.values(), default=0)
