"""Writing windows into prompts: quoted on one line, tokens marked with << and >>, activations from 0 to 10."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Bool

from sae_assets.interpretation.records import ExampleWindow

TOP_LEVEL = 10

_JSON = json.JSONEncoder(ensure_ascii=False)
# JSON leaves these as they are.
_LINE_BREAKS = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


def quoted(text: str) -> str:
    """The text as one line in quotation marks, line breaks and quotes escaped: it cannot pose as part of the prompt."""
    line = _JSON.encode(text)
    return line if line.isascii() else line.translate(_LINE_BREAKS)


def numbered(texts: Iterable[str]) -> str:
    """One line an example, from 1: `Example 1: "..."`."""
    return "\n".join(f"Example {number}: {quoted(text)}" for number, text in enumerate(texts, start=1))


def level(activation: float, max_activation: float) -> int:
    """An activation on the scale from 0 to 10; above 0 wherever the feature is active at all."""
    if activation <= 0:
        return 0
    return min(TOP_LEVEL, max(1, round(TOP_LEVEL * activation / max_activation)))


def is_strong(window: ExampleWindow, share_of_peak: float) -> Bool[np.ndarray, "piece"]:
    """Which pieces are active at this share of the window's peak or more."""
    return (window.activations > 0) & (window.activations >= share_of_peak * window.peak)


def marked_above(window: ExampleWindow, share_of_peak: float) -> str:
    """The window with its strong tokens marked."""
    return marked(window.pieces, is_strong(window, share_of_peak))


def marked(pieces: Sequence[str], is_marked: Bool[np.ndarray, "piece"]) -> str:
    """The text with each run of marked pieces between << and >>; the same signs in the text itself become ‹‹ and ››."""
    runs = groupby(range(len(pieces)), key=is_marked.tolist().__getitem__)
    texts = ((mark, _without_marks("".join(map(pieces.__getitem__, run)))) for mark, run in runs)
    return "".join(f"<<{text}>>" if mark else text for mark, text in texts)


def _without_marks(text: str) -> str:
    return text.replace("<<", "‹‹").replace(">>", "››")
