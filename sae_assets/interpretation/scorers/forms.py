"""The forms of answers in which a judge names examples by their numbers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from sae_assets.interpretation.answers import AnswerForm, Reasoned


def _not_a_verdict(value: Any) -> Any:
    # pydantic would read true as 1.
    if isinstance(value, bool):
        raise ValueError("not a number")
    return value


ExampleNumber = Annotated[int, BeforeValidator(_not_a_verdict)]
"""From 1; whether an example has this number is for the scorer to check."""


class IntruderAnswer(AnswerForm):
    """What a judge answers who is asked for the intruder."""

    intruder: ExampleNumber
    """an integer, the number of the one example that does not belong with the others."""


class ReasonedIntruderAnswer(IntruderAnswer, Reasoned):
    """The same with its reasoning."""


class SelectionAnswer(AnswerForm):
    """What a judge answers who is to select examples."""

    selected: list[ExampleNumber]
    """a list of integers, the numbers of the examples in which the feature is active; [] where it is in none."""
