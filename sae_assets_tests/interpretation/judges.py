"""Judges with known results: what a language model would answer, as plain functions of the prompt."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

_EXAMPLE = re.compile(r'^Example \d+: (".*")$', re.MULTILINE)
_TOKEN = re.compile(r'^\d+: (".*")$', re.MULTILINE)
_MARK = re.compile(r"<<(.*?)>>", re.DOTALL)


@dataclass(frozen=True)
class Ask:
    """A prompt of ours, read back."""

    kind: Literal["explaining", "detection", "fuzzing", "simulation"]
    explanation: str
    """The explanation on trial; empty when one is asked for."""
    examples: list[str]
    """The windows shown; for simulation the tokens."""
    marks: list[str]
    """What stands between << and >> anywhere in the prompt."""

    @classmethod
    def read(cls, system: str, user: str) -> Ask:
        first = user.split("\n", 1)[0]
        if not first.startswith("Explanation: "):
            quoted = re.findall(r'"(?:[^"\\]|\\.)*"', user)
            return cls("explaining", "", _unquoted(_EXAMPLE.findall(user)), _MARK.findall("\n".join(_unquoted(quoted))))
        explanation = json.loads(first.removeprefix("Explanation: "))
        if "from 0 (silent) to 10" in system:
            return cls("simulation", explanation, _unquoted(_TOKEN.findall(user)), [])
        examples = _unquoted(_EXAMPLE.findall(user))
        kind = "fuzzing" if "picked at random" in system else "detection"
        return cls(kind, explanation, examples, _MARK.findall("\n".join(examples)))


def _unquoted(strings: list[str]) -> list[str]:
    return [json.loads(string) for string in strings]


Judge = Callable[[Ask], dict[str, Any]]
"""Answers a prompt with the fields of the answer."""


def marked_word_judge(ask: Ask) -> dict[str, Any]:
    """Explains by the most frequent marked word, and judges by whether that word is there."""
    if ask.kind == "explaining":
        words = Counter(mark.strip() for mark in ask.marks)
        word = min(words, key=lambda word: (-words[word], word), default="nothing")
        return explanation(f"the word {word}", complexity=1)
    word = ask.explanation.removeprefix("the word ")
    if ask.kind == "simulation":
        return {"activations": [10.0 if token.strip() == word else 0.0 for token in ask.examples]}
    if ask.kind == "detection":
        return {"verdicts": [word in example for example in ask.examples]}
    marks = [_MARK.findall(example) for example in ask.examples]
    return {"verdicts": [all(word in mark for mark in of_example) for of_example in marks]}


def always(verdict: bool) -> Judge:
    """Says the same of every window."""

    def judge(ask: Ask) -> dict[str, Any]:
        return _explained(ask) or {"verdicts": [verdict] * len(ask.examples)}

    return judge


def coin_flip(seed: int) -> Judge:
    """Guesses."""
    rng = random.Random(seed)

    def judge(ask: Ask) -> dict[str, Any]:
        return _explained(ask) or {"verdicts": [rng.random() < 0.5 for _ in ask.examples]}

    return judge


def explanation(text: str, consistency: int = 5, complexity: int = 3) -> dict[str, Any]:
    """An explainer's answer."""
    return {"final_explanation": text, "activation_consistency": consistency, "complexity": complexity}


def _explained(ask: Ask) -> dict[str, Any] | None:
    return explanation("something") if ask.kind == "explaining" else None
