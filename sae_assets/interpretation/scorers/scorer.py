"""What a scorer is given and what it is: an explanation on trial, and a function that gives a score."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from sae_assets.interpretation.asking import LLM
from sae_assets.interpretation.examples import ExampleSplit
from sae_assets.interpretation.records import Score
from sae_assets.settings import AutoInterpConfig


@dataclass(frozen=True)
class Task:
    """An explanation on trial."""

    index: int
    """The feature's index."""
    max_activation: float
    """The feature's largest activation."""
    explanation: str
    """The explanation in words."""
    examples: ExampleSplit
    """The feature's windows; a scorer uses `scoring` and `silent` only."""
    cfg: AutoInterpConfig
    """How many windows each scorer draws."""

    def rng(self, scorer: str) -> random.Random:
        """The scorer's draw: the same for the same feature in every run, and apart from the other scorers'."""
        return random.Random(f"{scorer}:{self.index}")


class Scorer(Protocol):
    """Takes one measure of an explanation, from 0 to 1 or a correlation. Raises what `LLM.ask_all` raises."""

    def __call__(self, task: Task, llm: LLM, /) -> Score: ...
