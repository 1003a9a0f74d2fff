"""Token-activation pairs, after OpenAI's "Language models can explain neurons in language models" (2023).

As there, activations are whole numbers from 0 to 10 relative to the feature's maximum. Unlike there, silent tokens are
not listed one by one: the text itself shows them, which costs a fraction of the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.interpretation.marking import level, marked_above, quoted
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples


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


def _pairs(window: ExampleWindow, max_activation: float) -> str:
    return "\n".join(
        f"{quoted(piece)}\t{level(activation, max_activation)}"
        for piece, activation in zip(window.pieces, window.activations.tolist(), strict=True)
        if activation > 0
    )
