"""Strongest tokens, what follows them, and output tokens, after Neuronpedia's `np_max-act-logits` explainer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sae_assets.interpretation.marking import marked_above, quoted
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples

N_TOKENS_BEFORE = 3
NONE = "(none)"


def prompt_fields(
    feature: FeatureExamples, windows: Sequence[ExampleWindow], activation_threshold: float
) -> dict[str, str]:
    """The five lists: strongest tokens, the tokens after them, promoted and suppressed output tokens, and the texts."""
    return {
        "max_tokens": _lines(_strongest_token(window) for window in windows),
        "next_tokens": _lines(quoted(piece) for piece in map(_token_after_strongest, windows) if piece),
        "top_logits": _lines(map(quoted, feature.top_logits)),
        "bottom_logits": _lines(map(quoted, feature.bottom_logits)),
        "examples": _lines(quoted(marked_above(window, activation_threshold)) for window in windows),
    }


def _strongest_token(window: ExampleWindow) -> str:
    at = int(np.argmax(window.activations))
    before = "".join(window.pieces[max(0, at - N_TOKENS_BEFORE) : at])
    return f"({quoted(before)}) {quoted(window.pieces[at])}"


def _token_after_strongest(window: ExampleWindow) -> str:
    """Empty where the window ends with its strongest token."""
    at = int(np.argmax(window.activations))
    return "".join(window.pieces[at + 1 : at + 2])


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) or NONE
