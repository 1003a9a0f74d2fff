"""Tokens are coloured by thirds of the maximum, and a text cannot control the terminal."""

import numpy as np
import pytest

from sae_assets.cli.colouring import STYLES, coloured, strength, visible
from sae_assets.interpretation.records import ExampleWindow


@pytest.mark.parametrize(
    ("activation", "level"),
    [(0, None), (0.1, "weak"), (2.9, "weak"), (3.1, "medium"), (5.9, "medium"), (6.1, "strong"), (9, "strong")],
)
def test_strength_is_the_third_of_the_maximum(activation, level):
    assert strength(activation, 9.0) == level


def test_only_active_tokens_are_coloured():
    window = ExampleWindow(0, ("a", " b", " c"), np.array([0, 1, 9], dtype=np.float32))
    text = coloured(window, 9.0)
    assert text.plain == "a b c"
    assert [(text.plain[span.start : span.end], span.style) for span in text.spans if span.style] == [
        ("b", STYLES["weak"]),
        ("c", STYLES["strong"]),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a⏎b⇥c"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("日本 👩‍🚀", "日本 👩‍🚀"),
        ("a\u202eb", "a\\u202eb"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text, shown):
    assert visible(text) == shown
