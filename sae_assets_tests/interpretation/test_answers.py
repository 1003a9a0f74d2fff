"""Reading answers: they are found in what surrounds them, and nothing is guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.answers import (
    ExplanationAnswer,
    ReasonedExplanationAnswer,
    ReasonedVerdictsAnswer,
    SimulationAnswer,
    VerdictsAnswer,
    read_answer,
)

GOOD = '{"final_explanation": " cats ", "activation_consistency": 4, "complexity": "2"}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is: {GOOD} I hope {{this}} helps.",
        f'<think>maybe {{"final_explanation": "dogs", "activation_consistency": 1, "complexity": 1}}</think>{GOOD}',
        f"{{not json}} {GOOD}",
        f"\ufeff  {GOOD}",
        f'I thought {{"final_explanation": "dogs", "activation_consistency": 1, "complexity": 1}}</think>\n\n{GOOD}',
        f'{{"answer": {GOOD}}}',
        GOOD.replace("}", ', "certainty": 0.9}'),
    ],
)
def test_answer_is_found_in_what_surrounds_it(text: str) -> None:
    answer = read_answer(text, ExplanationAnswer)
    assert answer is not None
    assert (answer.final_explanation, answer.activation_consistency, answer.complexity) == ("cats", 4, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cats",
        GOOD[:-1],
        GOOD.replace("4", "6"),
        GOOD.replace(" cats ", "  "),
        '{"final_explanation": "cats"}',
        "[]",
        "{" * 5000,
        '{"a":' * 5000,
        GOOD.replace(" cats ", r"\ud83d"),
    ],
)
def test_what_does_not_fit_is_no_answer(text: str) -> None:
    assert read_answer(text, ExplanationAnswer) is None


def test_the_last_fitting_object_counts() -> None:
    answer = read_answer('{"verdicts": [true]} no: {"verdicts": [false]}', VerdictsAnswer)
    assert answer == VerdictsAnswer(verdicts=[False])


def test_a_verdict_that_is_neither_yes_nor_no_makes_the_answer_unreadable() -> None:
    assert read_answer('{"verdicts": [1, 0, "yes", "No ", "TRUE"]}', VerdictsAnswer) == VerdictsAnswer(
        verdicts=[True, False, True, False, True]
    )
    assert read_answer('{"verdicts": [true, "maybe"]}', VerdictsAnswer) is None
    assert read_answer('{"verdicts": [true, null]}', VerdictsAnswer) is None
    assert read_answer('{"verdicts": [true, 2]}', VerdictsAnswer) is None


@pytest.mark.parametrize("said", ["4", "4.0", '"4"', '" 4 "', '"4/5"', '"4 / 5"'])
def test_rating_is_read_however_it_is_written(said: str) -> None:
    answer = read_answer(GOOD.replace("4", said), ExplanationAnswer)
    assert answer is not None
    assert answer.activation_consistency == 4


@pytest.mark.parametrize("said", ["4.5", "0", '"4/10"', '"4-5"', '"high"', "true", "null", "[4]", '"-4"'])
def test_rating_that_is_none_of_the_five_makes_the_answer_unreadable(said: str) -> None:
    assert read_answer(GOOD.replace("4", said), ExplanationAnswer) is None


def test_explanation_may_speak_of_the_tags_of_thinking() -> None:
    answer = read_answer(GOOD.replace(" cats ", "<think> before </think>"), ExplanationAnswer)
    assert answer is not None
    assert answer.final_explanation == "<think> before </think>"


@pytest.mark.parametrize("steps", ["", '"steps": "one thing", ', '"steps": [1, null], '])
def test_reasoning_does_not_decide_whether_an_answer_can_be_read(steps: str) -> None:
    answer = read_answer(f'{{{steps}"verdicts": [true]}}', ReasonedVerdictsAnswer)
    assert answer is not None
    assert answer.verdicts == [True]


@pytest.mark.parametrize("level", ["11", "-1", "NaN", "Infinity", '"x"', "true"])
def test_a_level_outside_the_scale_makes_the_answer_unreadable(level: str) -> None:
    assert read_answer(f'{{"activations": [3, {level}]}}', SimulationAnswer) is None


def test_reasoning_is_asked_for_before_the_answer() -> None:
    assert next(iter(ReasonedExplanationAnswer.model_fields)) == "steps"
    assert next(iter(ReasonedVerdictsAnswer.model_fields)) == "steps"


@pytest.mark.parametrize("form", [ReasonedExplanationAnswer, ReasonedVerdictsAnswer, SimulationAnswer])
def test_schema_keeps_to_what_strict_endpoints_take(form: type) -> None:
    schema = form.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])
    assert not {"minLength", "minimum", "maximum", "$ref", "anyOf", "default"} & set(json.dumps(schema).split('"'))


@given(st.text(), st.text(), st.lists(st.booleans(), max_size=8))
def test_reading_never_fails_and_finds_what_was_written(before: str, after: str, verdicts: list[bool]) -> None:
    read_answer(before + after, VerdictsAnswer)
    text = before.replace("{", "") + json.dumps({"verdicts": verdicts}) + after.replace("{", "")
    if "<think" not in text.lower():
        assert read_answer(text, VerdictsAnswer) == VerdictsAnswer(verdicts=verdicts)
