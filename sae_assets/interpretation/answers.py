"""The forms of answers that models are asked for, and reading them out of what models write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

AnswerModel = TypeVar("AnswerModel", bound=BaseModel)

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)


def _number_of_text(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _something(value: str) -> str:
    if not value.strip():
        raise ValueError("empty")
    return value.strip()


def _from_0_to_10(value: float) -> float:
    if not 0 <= value <= 10:
        raise ValueError("not from 0 to 10")
    return value


# Limits are checked here and not in the schema, as strict endpoints refuse most of JSON Schema's keywords.
Words = Annotated[str, AfterValidator(_something)]
Rating = Annotated[Literal[1, 2, 3, 4, 5], BeforeValidator(_number_of_text)]
Level = Annotated[float, AfterValidator(_from_0_to_10)]


class AnswerForm(BaseModel):
    """Base of all answers. Every field is required and no other is allowed, as endpoints with strict schemas demand."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class Reasoned(AnswerForm):
    """An answer that begins with its reasoning; inherited last, so that this field comes first."""

    steps: list[str]
    """your reasoning, as a list of at most three short strings."""


class ExplanationAnswer(AnswerForm):
    """What an explainer answers."""

    final_explanation: Words
    """the explanation, one short phrase or sentence of at most 20 words."""
    activation_consistency: Rating
    """an integer from 1 to 5, how consistently the examples follow the explanation."""
    complexity: Rating
    """an integer from 1 to 5, how abstract the feature is."""


class ReasonedExplanationAnswer(ExplanationAnswer, Reasoned):
    """The same with its reasoning."""


class VerdictsAnswer(AnswerForm):
    """What a judge of several windows answers."""

    verdicts: list[bool]
    """a list of true or false, one for each example, in their order."""


class ReasonedVerdictsAnswer(VerdictsAnswer, Reasoned):
    """The same with its reasoning."""


class SimulationAnswer(AnswerForm):
    """What a simulator answers."""

    activations: list[Level]
    """a list of numbers from 0 to 10, one for each token, in their order."""


def read_answer(text: str, form: type[AnswerModel]) -> AnswerModel | None:
    """The answer in a model's text, or None where there is none that fits.

    Code fences, text around the object and thinking before it are passed over; of several fitting objects the last one
    counts. Nothing is completed or corrected: half an object is no answer.
    """
    found = None
    for value in _json_objects(_THINKING.sub("", text)):
        try:
            found = form.model_validate(value)
        except ValidationError:
            continue
    return found


def _json_objects(text: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            yield value
        position = text.find("{", end)
