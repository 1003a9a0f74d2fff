"""Loose JSON is read where only its punctuation is wrong; what would have to be guessed is no answer."""

from __future__ import annotations

import json
from typing import Any

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
from sae_assets.interpretation.loose_json import loose_objects

CATS = ("cats", 4, 2)


def explained(text: str) -> tuple[str, int, int] | None:
    answer = read_answer(text, ExplanationAnswer)
    return answer and (answer.final_explanation, answer.activation_consistency, answer.complexity)


@pytest.mark.parametrize(
    "text",
    [
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}",
        "{final_explanation: 'cats', activation_consistency: 4, complexity: 2,}",
        "{final_explanation: cats, activation_consistency: 4, complexity: 2}",
        "{“final_explanation”: “cats”, “activation_consistency”: 4, “complexity”: 2}",
        '{"final_explanation": "cats" "activation_consistency": 4 "complexity": 2}',
        '{"final_explanation": "cats", // all\n"activation_consistency": 4, # clear\n"complexity": /* one */ 2}',
        "```json\n{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}",
        "It's this: {'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2} (don't you think?)",
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2, 'is_sure': True, 'note': None}",
        "{'final_explanation': 'dogs', 'activation_consistency': 1, 'complexity': 1} or, better, "
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}",
        '{"final_explanation": "dogs", "activation_consistency": 1, "complexity": 1} or, better, '
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}",
        "{'ExplanationAnswer': {'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}}",
    ],
)
def test_loose_json_is_read(text: str) -> None:
    assert explained(text) == CATS


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("'don't stop'", "don't stop"),
        ('"the word "cat""', 'the word "cat"'),
        ("'an opening { or }'", "an opening { or }"),
        ("'see http://example.org // here'", "see http://example.org // here"),
        (r"'\u00e9t\u00e9 \ud83d\ude00'", "été 😀"),
        ("'none, True and false'", "none, True and false"),
        (r"'C:\\new'", r"C:\new"),
    ],
)
def test_text_of_a_loose_answer_is_kept_to_the_letter(written: str, meant: str) -> None:
    text = f"{{'final_explanation': {written}, 'activation_consistency': 4, 'complexity': 2,}}"
    assert explained(text) == (meant, 4, 2)


@pytest.mark.parametrize(
    "text",
    [
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2",
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': }",
        "{'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2 5}",
        "{'final_explanation': 'cats', 'activation_consistency': 4",
        "{'final_explanation': 'ca",
        "{'final_explanation': 'cats' dogs', 'activation_consistency': 4, 'complexity': 2, 'complexity': 3}",
        "'final_explanation': 'cats', 'activation_consistency': 4, 'complexity': 2}",
        "{final_explanation: cats, note: dogs, activation_consistency: 4, complexity: 2}",
        "{'final_explanation': 'lists, like:', 'activation_consistency': 4, 'complexity': 2}",
    ],
)
def test_what_is_cut_or_has_a_part_too_many_is_no_answer(text: str) -> None:
    assert explained(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "{'verdicts': [True, False}",
        "{'verdicts': True, False}",
        "{'verdicts': [True, ...]}",
        "{'verdicts': [True, Fal",
        "{'verdicts': [True, False], 'verdicts': [True, True]}",
    ],
)
def test_verdicts_are_never_completed(text: str) -> None:
    assert read_answer(text, VerdictsAnswer) is None


def test_numbers_of_a_loose_answer_are_those_written() -> None:
    assert read_answer("{'activations': [0.10, 2.50, 3,]}", SimulationAnswer) == SimulationAnswer(
        activations=[0.1, 2.5, 3]
    )
    assert read_answer("{'activations': [-1,]}", SimulationAnswer) is None


ANSWERS = st.builds(
    ReasonedExplanationAnswer,
    steps=st.lists(st.text("abc XYZ.-é猫😀1", min_size=1), max_size=3),
    final_explanation=st.text("abc XYZ.-é猫😀1", min_size=1).filter(str.strip),
    activation_consistency=st.integers(1, 5),
    complexity=st.integers(1, 5),
) | st.builds(ReasonedVerdictsAnswer, steps=st.just(["a", "b"]), verdicts=st.lists(st.booleans(), min_size=1))


def as_python(value: dict[str, Any]) -> str:
    return repr(value)


def with_commas_and_comments(value: dict[str, Any]) -> str:
    fields = "".join(f"  {json.dumps(name)}: {json.dumps(field)}, // {name}\n" for name, field in value.items())
    return "{\n" + fields + "}"


def with_bare_names(value: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{name}: {json.dumps(field, ensure_ascii=False)}" for name, field in value.items()) + "}"


def in_open_fence(value: dict[str, Any]) -> str:
    return f"Here you are:\n```json\n{json.dumps(value, indent=1)[:-1]},\n}}"


LOOSE_FORMS = pytest.mark.parametrize("written", [as_python, with_commas_and_comments, with_bare_names, in_open_fence])


@LOOSE_FORMS
@given(answer=ANSWERS)
def test_any_answer_reads_back_from_each_loose_form(written: Any, answer: Any) -> None:
    assert read_answer(written(answer.model_dump()), type(answer)) == answer


@LOOSE_FORMS
@given(text=st.text("abc1 '\"\\{}<>[],:/#\n`.-“", min_size=1, max_size=12).filter(str.strip))
def test_text_full_of_signs_is_read_as_it_is_or_not_at_all(written: Any, text: str) -> None:
    answer = ExplanationAnswer(final_explanation=text, activation_consistency=4, complexity=2)
    assert read_answer(written(answer.model_dump()), ExplanationAnswer) in (answer, None)


@given(answer=ANSWERS, share=st.floats(0, 1))
def test_no_answer_is_read_out_of_its_beginning(answer: Any, share: float) -> None:
    text = as_python(answer.model_dump())
    assert read_answer(text[: int(share * (len(text) - 1))], type(answer)) is None


PIECES = st.sampled_from([*"{}[]'\",:/*#\\`“”\n", "verdicts", "True", "//", "1.50", "null", "\\u", "\\ud83d", "\ud83d"])


@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_arbitrary_text_never_fails(text: str) -> None:
    for part in (text, f"{{'verdicts': {text}}}", f"{{'verdicts': [True], {text}}}"):
        read_answer(part, VerdictsAnswer)
        list(loose_objects(part, VerdictsAnswer))


@pytest.mark.parametrize(
    "piece", ["{", '{"a":', "{verdicts:[", "{'verdicts':", '"', "verdicts/*", "</think>\n", "<think>"]
)
def test_endless_text_is_no_answer(piece: str) -> None:
    assert read_answer(piece * (1_000_000 // len(piece)), VerdictsAnswer) is None
    assert read_answer("{verdicts: " + piece * 1_000 + "}", VerdictsAnswer) is None
