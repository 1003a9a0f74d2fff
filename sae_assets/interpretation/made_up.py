"""Answers that nobody gave, to see what would be asked after them."""

from __future__ import annotations

from typing import Any

from sae_assets.interpretation.answers import ExplanationAnswer

TYPICAL_EXPLANATION = "words and phrases that have to do with what people say about the weather"
"""As long as most explanations, as it stands in the prompts of the scorers."""


def made_up(form: type[Any]) -> Any:
    """An explanation in this form; None for any other, as no question depends on what a judge answers."""
    if not issubclass(form, ExplanationAnswer):
        return None
    return form.model_construct(final_explanation=TYPICAL_EXPLANATION, activation_consistency=3, complexity=3)
