"""How many tokens a request will take, before it is sent: guessed at first, then learned from the answers."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple

from sae_assets.interpretation.asking import Question
from sae_assets.interpretation.records import Usage

CHARACTERS_A_TOKEN = 3.0
"""Fewer than English has, about 4: what is not known yet is rather guessed too dear."""
ANSWER_TOKENS = 150.0
"""Length of a typical answer with its reasoning."""


class TokenEstimate(NamedTuple):
    """What a request is likely to take."""

    prompt: int
    """Tokens of the prompt."""
    completion: int
    """Tokens of the answer."""

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


class TokenEstimates:
    """Estimates that grow better with every answer; for any number of threads.

    Of a prompt by its characters and how many of them made a token so far, of an answer by the mean length of those in
    the same form. An endpoint that counts no tokens teaches nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_characters = self._n_prompt_tokens = 0
        self._answers: defaultdict[type[Any], list[int]] = defaultdict(lambda: [0, 0])

    def of(self, question: Question[Any]) -> TokenEstimate:
        """What this question is likely to take; at least one token of each kind."""
        with self._lock:
            n_answers, n_tokens = self._answers.get(question.form, (0, 0))
            rate = self._n_characters / self._n_prompt_tokens if self._n_prompt_tokens else CHARACTERS_A_TOKEN
        completion = n_tokens / n_answers if n_answers else ANSWER_TOKENS
        return TokenEstimate(max(1, round(_n_characters(question) / rate)), max(1, round(completion)))

    def learn(self, question: Question[Any], usage: Usage) -> None:
        """Takes account of what one question took."""
        with self._lock:
            if usage.prompt_tokens:
                self._n_characters += _n_characters(question)
                self._n_prompt_tokens += usage.prompt_tokens
            if usage.completion_tokens:
                answers = self._answers[question.form]
                answers[0] += 1
                answers[1] += usage.completion_tokens


def tokens_to_embed(texts: Collection[str]) -> int:
    """How many tokens an embedding model is likely to count in these texts."""
    return math.ceil(sum(map(len, texts)) / CHARACTERS_A_TOKEN)


def _n_characters(question: Question[Any]) -> int:
    return len(question.messages.system) + len(question.messages.user)
