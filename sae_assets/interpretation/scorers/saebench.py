"""SAEBench's selection task: of 14 windows, which contain the feature?

Definition: Karvonen et al., "SAEBench: A Comprehensive Benchmark for Sparse Autoencoders in Language Model
Interpretability" (2025), `autointerp`: one prompt with 2 of the strongest windows, 2 drawn with the square of their
activation as weight and 10 at random, shuffled; the judge lists those that it believes to contain the feature. Accuracy
over the 14; a judge that lists none gets 10/14 = 0.714 (`ALL_NONE_BASELINE`), so what counts is how far a score is
above it. As there, the judge gives no reasons. Unlike there, windows are as long as `max_length` says, and those drawn
at random are verified to be silent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sae_assets.interpretation.asking import LLM, Question, ask
from sae_assets.interpretation.marking import numbered, quoted
from sae_assets.interpretation.records import ExampleWindow, Score, Usage
from sae_assets.interpretation.scorers.forms import SelectionAnswer
from sae_assets.interpretation.scorers.judging import UNREADABLE, Trial, counted
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import Messages, Prompt, load_prompt

N_TOP = 2
N_WEIGHTED = 2
N_SILENT = 10
ALL_NONE_BASELINE = N_SILENT / (N_TOP + N_WEIGHTED + N_SILENT)
"""The score of a judge that always says that no window contains the feature."""


def score(task: Task, llm: LLM) -> Score:
    """Accuracy over the 14 windows; a number that none of them has makes the answer unreadable."""
    prompt = load_prompt("saebench", SelectionAnswer)
    rng = task.rng("saebench")
    active, silent = task.examples.scoring, task.examples.draw_silent(N_SILENT, rng)
    if len(active) < N_TOP + N_WEIGHTED or len(silent) < N_SILENT:
        missing = f"it takes 4 active windows and 10 silent ones; there are {len(active)} and {len(silent)} to score on"
        return Score("saebench", None, 0, 0, None, prompt.version, Usage(), missing)
    windows = [*active[:N_TOP], *weighted_sample(active[N_TOP:], N_WEIGHTED, rng), *silent]
    trials = [Trial(window.text, window.peak > 0, window.context_idx) for window in rng.sample(windows, len(windows))]
    answer = ask(llm, Question(_filled(prompt, task, trials, rng), SelectionAnswer))
    selected = _selected(answer.value, len(trials))
    verdicts = tuple(
        trial.judged(None if selected is None else number in selected) for number, trial in enumerate(trials, start=1)
    )
    counts = counted(verdicts)
    return Score(
        "saebench",
        counts.accuracy,
        counts.n,
        len(trials) - counts.n,
        counts,
        prompt.version,
        answer.usage,
        UNREADABLE if selected is None else None,
        verdicts,
    )


def _selected(answer: SelectionAnswer | None, n_examples: int) -> set[int] | None:
    if answer is None or not all(1 <= number <= n_examples for number in answer.selected):
        return None
    return set(answer.selected)


def weighted_sample(windows: Sequence[ExampleWindow], n_windows: int, rng: random.Random) -> list[ExampleWindow]:
    """Different windows, each drawn from those left with the square of its peak as weight."""
    left = list(windows)
    return [left.pop(_drawn(left, rng)) for _ in range(n_windows)]


def _drawn(windows: Sequence[ExampleWindow], rng: random.Random) -> int:
    return rng.choices(range(len(windows)), weights=[window.peak**2 for window in windows])[0]


def _filled(prompt: Prompt, task: Task, trials: Sequence[Trial], rng: random.Random) -> Messages:
    # As in SAEBench, the example of an answer tells how many windows about contain the feature, and not which.
    illustration = sorted(rng.sample(range(1, len(trials) + 1), N_TOP + N_WEIGHTED))
    return prompt.fill(
        explanation=quoted(task.explanation),
        illustration=str(illustration),
        examples=numbered(trial.text for trial in trials),
    )
