"""Writing windows into prompts: quoted on one line, tokens marked with << and >>."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Bool

from sae_assets.interpretation.records import ExampleWindow


def quoted(text: str) -> str:
    """The text as one line in quotation marks, line breaks and quotes escaped: it cannot pose as part of the prompt."""
    return json.dumps(text, ensure_ascii=False)


def numbered(texts: Iterable[str]) -> str:
    """One line an example, from 1: `Example 1: "..."`."""
    return "\n".join(f"Example {number}: {quoted(text)}" for number, text in enumerate(texts, start=1))


def is_strong(window: ExampleWindow, share_of_peak: float) -> Bool[np.ndarray, "piece"]:
    """Which pieces are active at this share of the window's peak or more."""
    return (window.activations > 0) & (window.activations >= share_of_peak * window.peak)


def marked_above(window: ExampleWindow, share_of_peak: float) -> str:
    """The window with its strong tokens marked."""
    return marked(window.pieces, is_strong(window, share_of_peak))


def marked(pieces: Sequence[str], is_marked: Bool[np.ndarray, "piece"]) -> str:
    """The text with each run of marked pieces between << and >>; the same signs in the text itself become ‹‹ and ››."""
    runs = groupby(zip(pieces, is_marked.tolist(), strict=True), key=lambda piece: piece[1])
    texts = ((mark, _without_marks("".join(piece for piece, _ in run))) for mark, run in runs)
    return "".join(f"<<{text}>>" if mark else text for mark, text in texts)


def _without_marks(text: str) -> str:
    return text.replace("<<", "‹‹").replace(">>", "››")
