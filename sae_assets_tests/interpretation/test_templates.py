"""Prompts: complete, filled without harm, versioned by their words."""

from __future__ import annotations

import pytest

from sae_assets.interpretation.answers import (
    ExplanationAnswer,
    ReasonedExplanationAnswer,
    SimulationAnswer,
    VerdictsAnswer,
)
from sae_assets.interpretation.templates import load_prompt

FIELDS = {
    "openai": (ExplanationAnswer, {"examples"}),
    "neuronpedia": (ExplanationAnswer, {"examples", "max_tokens", "next_tokens", "top_logits", "bottom_logits"}),
    "detection": (VerdictsAnswer, {"explanation", "examples"}),
    "fuzzing": (VerdictsAnswer, {"explanation", "examples"}),
    "simulation": (SimulationAnswer, {"explanation", "tokens"}),
}


@pytest.mark.parametrize("name", FIELDS)
def test_template_takes_its_fields_and_describes_its_answer(name: str) -> None:
    form, fields = FIELDS[name]
    messages = load_prompt(name, form).fill(**{field: f"<{field}>" for field in fields})
    assert all(f"<{field}>" in messages.user for field in fields)
    assert all(f'"{field}"' in messages.system for field in form.model_fields)
    assert "JSON" in messages.system, "endpoints that give JSON objects want the word in the prompt"
    assert "$" not in messages.text


def test_text_with_dollar_signs_and_braces_is_left_as_it_is() -> None:
    messages = load_prompt("detection", VerdictsAnswer).fill(explanation="$explanation {x}", examples="$$ costs ${y}")
    assert "$explanation {x}" in messages.user
    assert "$$ costs ${y}" in messages.user


def test_version_is_of_the_words_and_the_form() -> None:
    versions = {load_prompt(name, form).version for name, (form, _) in FIELDS.items()}
    assert len(versions) == len(FIELDS)
    assert load_prompt("openai", ReasonedExplanationAnswer).version not in versions
    assert all(len(version) == 12 for version in versions)
