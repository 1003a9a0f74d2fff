"""Highlighted examples, after the default explainer of EleutherAI's delphi (Paulo et al. 2024, arXiv 2410.13928).

As there, runs of active tokens stand between << and >>, and each marked token is listed after its example with its
activation, a whole number from 0 to 10 relative to the feature's maximum.
"""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.interpretation.marking import is_strong, level, marked, quoted
from sae_assets.interpretation.records import ExampleWindow, FeatureExamples


def prompt_fields(
    feature: FeatureExamples, windows: Sequence[ExampleWindow], activation_threshold: float
) -> dict[str, str]:
    """The examples: each window's text with its strongest tokens marked, then these tokens with their levels."""
    examples = (
        f"Example {number}: {_example(window, feature.max_activation, activation_threshold)}"
        for number, window in enumerate(windows, start=1)
    )
    return {"examples": "\n\n".join(examples)}


def _example(window: ExampleWindow, max_activation: float, activation_threshold: float) -> str:
    strong = is_strong(window, activation_threshold)
    listed = (
        f"({quoted(window.pieces[at])}, {level(float(window.activations[at]), max_activation)})"
        for at in strong.nonzero()[0].tolist()
    )
    return f"{quoted(marked(window.pieces, strong))}\nActivations: {', '.join(listed)}"
