"""Simulation: can activations be predicted from the explanation?

Definition: Bills et al., "Language models can explain neurons in language models" (OpenAI, 2023), in the all-at-once
form: the judge predicts an activation from 0 to 10 for each token; Pearson's correlation with the true activations,
over the tokens of all windows together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_assets.interpretation.answers import SimulationAnswer
from sae_assets.interpretation.asking import LLM, Question
from sae_assets.interpretation.marking import quoted
from sae_assets.interpretation.records import ExampleWindow, Score, Usage
from sae_assets.interpretation.scorers.judging import UNREADABLE
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import Messages, Prompt, load_prompt


def score(task: Task, llm: LLM) -> Score:
    """Correlation over `simulation_n_examples` windows of either kind, one a prompt, or as many as there are.

    `n` counts tokens, `n_unparsable` windows.
    """
    prompt = load_prompt("simulation", SimulationAnswer)
    rng, n_examples = task.rng("simulation"), task.cfg.simulation_n_examples
    active, silent = task.examples.draw_active(n_examples, rng), task.examples.draw_silent(n_examples, rng)
    if not active:
        missing = "there are no positive windows to score on"
        return Score("simulation", None, 0, 0, None, prompt.version, Usage(), missing)
    windows = [*active, *silent]
    answers = llm.ask_all([Question(_filled(prompt, task, window), SimulationAnswer) for window in windows])
    predicted: list[float] = []
    true: list[float] = []
    n_unparsable = 0
    for window, answer in zip(windows, answers, strict=True):
        if answer.value is None or len(answer.value.activations) != len(window.pieces):
            n_unparsable += 1
        else:
            predicted += answer.value.activations
            true += window.activations.tolist()
    usage = Usage.total(answer.usage for answer in answers)
    value = correlation(predicted, true)
    reason = None if value is not None else _reason(predicted)
    return Score("simulation", value, len(true), n_unparsable, None, prompt.version, usage, reason)


def correlation(predicted: Sequence[float], true: Sequence[float]) -> float | None:
    """Pearson's correlation; None where one side does not vary, as it is then undefined."""
    if not predicted or min(predicted) == max(predicted) or min(true) == max(true):
        return None
    with np.errstate(all="ignore"):
        value = float(np.corrcoef(predicted, true)[0, 1])
    # What varies by too little to be squared does not vary.
    return value if np.isfinite(value) else None


def _filled(prompt: Prompt, task: Task, window: ExampleWindow) -> Messages:
    tokens = "\n".join(f"{number}: {quoted(piece)}" for number, piece in enumerate(window.pieces, start=1))
    return prompt.fill(explanation=quoted(task.explanation), tokens=tokens)


def _reason(predicted: Sequence[float]) -> str:
    if not predicted:
        return UNREADABLE
    if min(predicted) == max(predicted):
        return "the judge predicted the same for every token"
    return "the activations do not vary over the windows whose answers could be read"
