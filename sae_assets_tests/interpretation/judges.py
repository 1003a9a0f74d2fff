"""Judges with known results: what a language model would answer, as plain functions of the prompt."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sae_assets.interpretation.records import FeatureExamples

Kind = Literal["explaining", "detection", "fuzzing", "intruder", "simulation", "saebench"]

_EXAMPLE = re.compile(r'^Example \d+: (".*")$', re.MULTILINE)
_TOKEN = re.compile(r'^\d+: (".*")$', re.MULTILINE)
_MARK = re.compile(r"<<(.*?)>>", re.DOTALL)
_EXPLANATION = re.compile(r'^Explanation: (".*")$', re.MULTILINE)
_KINDS: dict[str, Kind] = {"intruder": "intruder", "activations": "simulation", "selected": "saebench"}
"""By a field that only this answer has; the system message names all fields."""


@dataclass(frozen=True)
class Ask:
    """A prompt of ours, read back."""

    kind: Kind
    explanation: str
    """The explanation on trial; empty when one is asked for, or none is needed."""
    examples: list[str]
    """The windows shown; for simulation the tokens."""
    marks: list[str]
    """What stands between << and >> anywhere in the prompt."""

    @classmethod
    def read(cls, system: str, user: str) -> Ask:
        kind = _kind(system)
        given = _EXPLANATION.match(user)
        examples = _unquoted((_TOKEN if kind == "simulation" else _EXAMPLE).findall(user))
        everywhere = _unquoted(re.findall(r'"(?:[^"\\]|\\.)*"', user)) if kind == "explaining" else examples
        return cls(kind, json.loads(given[1]) if given else "", examples, _MARK.findall("\n".join(everywhere)))


def _kind(system: str) -> Kind:
    fields = re.findall(r'^- "(\w+)":', system, re.MULTILINE)
    if "final_explanation" in fields:
        return "explaining"
    if "verdicts" in fields:
        return "fuzzing" if "picked at random" in system else "detection"
    return next(_KINDS[field] for field in fields if field in _KINDS)


def _unquoted(strings: list[str]) -> list[str]:
    return [json.loads(string) for string in strings]


Judge = Callable[[Ask], dict[str, Any]]
"""Answers a prompt with the fields of the answer."""


def marked_word_judge(ask: Ask) -> dict[str, Any]:
    """Explains by the most frequent marked word, and judges by whether that word is there."""
    if ask.kind in ("explaining", "intruder"):
        words = Counter(mark.strip() for mark in ask.marks)
        word = min(words, key=lambda word: (-words[word], word), default="nothing")
        if ask.kind == "explaining":
            return explanation(f"the word {word}", complexity=1)
        return chosen(ask, lambda example: word in example)
    word = ask.explanation.removeprefix("the word ")
    if ask.kind == "simulation":
        return {"activations": [10.0 if token.strip() == word else 0.0 for token in ask.examples]}
    if ask.kind == "fuzzing":
        return chosen(ask, lambda example: all(word in mark for mark in _MARK.findall(example)))
    return chosen(ask, lambda example: word in example)


def oracle(feature: FeatureExamples) -> Judge:
    """Knows every window of a feature, and the marks of it are right where all its tokens as strong as 0.3 have one."""
    windows = [*(window for group in feature.activating for window in group.windows), *feature.non_activating]
    of_text = {window.text: window for window in (*windows, *feature.hard_negatives)}

    def is_marked_rightly(example: str) -> bool:
        window = of_text[plain(example)]
        strong = [piece for piece, a in zip(window.pieces, window.activations, strict=True) if a >= 0.3 * window.peak]
        return "".join(_MARK.findall(example)) == "".join(strong)

    def judge(ask: Ask) -> dict[str, Any]:
        if ask.kind == "explaining":
            return explanation("what the oracle knows")
        if ask.kind == "simulation":
            levels = of_text["".join(ask.examples)].activations.tolist()
            return {"activations": [10 * level / feature.max_activation for level in levels]}
        if ask.kind == "fuzzing":
            return chosen(ask, is_marked_rightly)
        return chosen(ask, lambda example: of_text[plain(example)].peak > 0)

    return judge


def always(verdict: bool) -> Judge:
    """Says the same of every window."""

    def judge(ask: Ask) -> dict[str, Any]:
        return _explained(ask) or chosen(ask, lambda _example: verdict)

    return judge


def coin_flip(seed: int) -> Judge:
    """Guesses; where one window is to be named, each with the same chance."""
    rng = random.Random(seed)

    def judge(ask: Ask) -> dict[str, Any]:
        if ask.kind == "intruder":
            return {"intruder": rng.randint(1, len(ask.examples))}
        return _explained(ask) or chosen(ask, lambda _example: rng.random() < 0.5)

    return judge


def chosen(ask: Ask, has_feature: Callable[[str], bool]) -> dict[str, Any]:
    """A judge's answer, by what it believes of each window; the intruder is the first one without the feature."""
    believed = [has_feature(example) for example in ask.examples]
    if ask.kind == "intruder":
        return {"intruder": believed.index(False) + 1 if False in believed else 1}
    if ask.kind == "saebench":
        return {"selected": [number for number, is_in in enumerate(believed, start=1) if is_in]}
    if ask.kind == "simulation":
        return {"activations": [10.0 * is_in for is_in in believed]}
    return {"verdicts": believed}


def explanation(text: str, consistency: int = 5, complexity: int = 3) -> dict[str, Any]:
    """An explainer's answer."""
    return {"final_explanation": text, "activation_consistency": consistency, "complexity": complexity}


def plain(example: str) -> str:
    """A window without its marks."""
    return re.sub("<<|>>", "", example)


def _explained(ask: Ask) -> dict[str, Any] | None:
    return explanation("something") if ask.kind == "explaining" else None
