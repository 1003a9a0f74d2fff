"""The forms of answers that models are asked for, and reading them out of what models write."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sae_assets.interpretation.loose_json import loose_objects

AnswerModel = TypeVar("AnswerModel", bound=BaseModel)

LONGEST = 20_000
"""Characters at the end of a text that are looked at: far more than any answer has."""

# Only before the answer: an explanation may speak of these tags. Some servers swallow the first one.
_THINKING = re.compile(
    r"\A(?:\s*<think(?:ing)?>.*?</think(?:ing)?>|.*</think(?:ing)?>\s*\n)", re.DOTALL | re.IGNORECASE
)
_RATING = re.compile(r"\s*([1-5])(?:\.0)?(?:\s*/\s*5)?\s*")


def _strings(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)]


def _something(value: str) -> str:
    if not value.strip():
        raise ValueError("empty")
    # Half an escaped emoji is a string to Python, and an error to everything that stores or sends it.
    value.encode()
    return value.strip()


def _rating(value: Any) -> Any:
    """A whole number out of 4, 4.0, "4" and "4/5"; anything else as it is."""
    said = _RATING.fullmatch(str(value))
    return int(said[1]) if said else value


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


def _from_0_to_10(value: float) -> float:
    if not 0 <= value <= 10:
        raise ValueError("not from 0 to 10")
    return value


# Limits are checked here and not in the schema, as strict endpoints refuse most of JSON Schema's keywords.
Steps = Annotated[list[str], BeforeValidator(_strings)]
Words = Annotated[str, AfterValidator(_something)]
Rating = Annotated[Literal[1, 2, 3, 4, 5], BeforeValidator(_rating), BeforeValidator(_no_truth_value)]
YesOrNo = Annotated[bool, BeforeValidator(_stripped)]
"""True or false; read also from 1 and 0, "yes" and "no", "true" and "false"."""
Level = Annotated[float, BeforeValidator(_no_truth_value), AfterValidator(_from_0_to_10)]


def _strict(schema: dict[str, Any]) -> None:
    schema["additionalProperties"] = False
    schema["required"] = list(schema["properties"])


class AnswerForm(BaseModel):
    """Base of all answers. The schema requires every field and allows no other, as endpoints with strict ones demand.

    Reading is less strict: it passes over what a model adds, and a field with a default may be missing.
    """

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True, json_schema_extra=_strict)


class Reasoned(AnswerForm):
    """An answer that begins with its reasoning; inherited last, so that this field comes first."""

    steps: Steps = Field(default_factory=list)
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

    verdicts: list[YesOrNo]
    """a list of true or false, one for each example, in their order."""


class ReasonedVerdictsAnswer(VerdictsAnswer, Reasoned):
    """The same with its reasoning."""


class SimulationAnswer(AnswerForm):
    """What a simulator answers."""

    activations: list[Level]
    """a list of numbers from 0 to 10, one for each token, in their order."""


def read_answer(text: str, form: type[AnswerModel]) -> AnswerModel | None:
    """The answer in a model's text, or None where there is none that fits.

    Thinking before it, code fences, text and objects around it are passed over; of several fitting objects the last one
    counts. What is no JSON is read as loose JSON. Nothing is completed or guessed: half an object is no answer.
    """
    said = _THINKING.sub("", text)[-LONGEST:]
    found, end = _last_fitting(said, form)
    loose = (_fitting(value, form) for value in loose_objects(said[end:], form))
    return next((answer for answer in loose if answer is not None), found)


def _last_fitting(text: str, form: type[AnswerModel]) -> tuple[AnswerModel | None, int]:
    """The last fitting object that is JSON by the letter, and where it ends; outer objects come before inner ones."""
    decoder = json.JSONDecoder()
    found, found_end = None, 0
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except RecursionError:
            # Deeper than any answer; every further brace would be followed as deep again.
            break
        except ValueError:
            answer = None
        else:
            answer = _fitting(value, form)
        if answer is not None:
            found, found_end = answer, end
        position = text.find("{", position + 1 if answer is None else end)
    return found, found_end


def _fitting(value: Any, form: type[AnswerModel]) -> AnswerModel | None:
    try:
        return form.model_validate(value)
    except ValidationError:
        return None
