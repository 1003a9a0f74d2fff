"""Token-activation pairs, after OpenAI's "Language models can explain neurons in language models" (2023).

As there, activations are whole numbers from 0 to 10 relative to the feature's maximum. Unlike there, silent tokens are
not listed one by one: the text itself shows them, which costs a fraction of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.interpretation.marking import marked_above, quoted
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples

TOP_LEVEL = 10


def prompt_fields(
    feature: FeatureExamples, windows: Sequence[ExampleWindow], activation_threshold: float
) -> dict[str, str]:
    """The examples: each window's text with its strongest tokens marked, then its active tokens with their levels."""
    examples = (
        f"Example {number}: {quoted(marked_above(window, activation_threshold))}\n"
        f"{_pairs(window, feature.max_activation)}"
        for number, window in enumerate(windows, start=1)
    )
    return {"examples": "\n\n".join(examples)}


def level(activation: float, max_activation: float) -> int:
    """An activation on the scale from 0 to 10; above 0 wherever the feature is active at all."""
    if activation <= 0:
        return 0
    return min(TOP_LEVEL, max(1, round(TOP_LEVEL * activation / max_activation)))


def _pairs(window: ExampleWindow, max_activation: float) -> str:
    return "\n".join(
        f"{quoted(piece)}\t{level(activation, max_activation)}"
        for piece, activation in zip(window.pieces, window.activations.tolist(), strict=True)
        if activation > 0
    )
