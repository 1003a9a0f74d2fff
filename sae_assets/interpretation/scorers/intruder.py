"""Intruder detection: does the feature have a meaning at all? No explanation is needed, and none is shown.

Definition: Paulo and Belrose, "Evaluating SAE interpretability without explanations" (2025), and EleutherAI's delphi:
four windows of the feature of near magnitude and one in which it is silent, shuffled; the judge says which one does not
belong. Active tokens (at least 0.3 of the window's peak) are marked, and as many random ones in the intruder. The share
of sets in which it is found: 1.0 at best, 0.2 (`CHANCE`) by guessing. Unlike in delphi, no window is in two sets.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from sae_assets.interpretation.asking import LLM, Question
from sae_assets.interpretation.marking import is_strong, marked, marked_above, numbered
from sae_assets.interpretation.records import ExampleWindow, Score, Usage, Verdict
from sae_assets.interpretation.scorers.forms import IntruderAnswer, ReasonedIntruderAnswer
from sae_assets.interpretation.scorers.fuzzing import RIGHT_SHARE_OF_PEAK
from sae_assets.interpretation.scorers.judging import UNREADABLE, Trial
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import load_prompt

WINDOWS_OF_FEATURE = 4
CHANCE = 1 / (WINDOWS_OF_FEATURE + 1)
"""What guessing gives."""


def score(task: Task, llm: LLM) -> Score:
    """Share of `intruder_n_sets` sets whose intruder is found, or of as many as there are windows for.

    `n` and `n_unparsable` count sets; a number that no example has cannot be read. The verdicts tell of each window
    whether the judge took it for one of the feature's.
    """
    answer_form = ReasonedIntruderAnswer if task.cfg.include_cot else IntruderAnswer
    prompt = load_prompt("intruder", answer_form)
    sets = _sets(task)
    if not sets:
        n_active, n_silent = len(task.examples.scoring), len(task.examples.silent)
        missing = f"a set needs 4 active windows and a silent one; there are {n_active} and {n_silent} to score on"
        return Score("intruder", None, 0, 0, None, prompt.version, Usage(), missing)
    questions = [Question(prompt.fill(examples=numbered(trial.text for trial in one)), answer_form) for one in sets]
    answers = llm.ask_all(questions)
    chosen = [_number(answer.value) for answer in answers]
    n_judged = len(sets) - chosen.count(None)
    n_found = sum(number == _intruder(one) for one, number in zip(sets, chosen, strict=True))
    return Score(
        "intruder",
        n_found / n_judged if n_judged else None,
        n_judged,
        chosen.count(None),
        None,
        prompt.version,
        Usage.total(answer.usage for answer in answers),
        None if n_judged else UNREADABLE,
        tuple(verdict for one, number in zip(sets, chosen, strict=True) for verdict in _verdicts(one, number)),
    )


def _sets(task: Task) -> list[list[Trial]]:
    """What each prompt shows: a set from each of several bands of peak activation, with as many windows each."""
    rng = task.rng("intruder")
    ranked = sorted(task.examples.scoring, key=lambda window: (window.peak, window.context_idx))
    n_sets = min(task.cfg.intruder_n_sets, len(ranked) // WINDOWS_OF_FEATURE, len(task.examples.silent))
    intruders = task.examples.draw_silent(n_sets, rng)
    bands = [ranked[number * len(ranked) // n_sets : (number + 1) * len(ranked) // n_sets] for number in range(n_sets)]
    return [
        _set(rng.sample(band, WINDOWS_OF_FEATURE), intruder, rng)
        for band, intruder in zip(bands, intruders, strict=True)
    ]


def _set(windows: Sequence[ExampleWindow], intruder: ExampleWindow, rng: random.Random) -> list[Trial]:
    n_marks = sum(int(is_strong(window, RIGHT_SHARE_OF_PEAK).sum()) for window in windows) / len(windows)
    trials = [Trial(marked_above(window, RIGHT_SHARE_OF_PEAK), True, window.context_idx) for window in windows]
    trials.append(Trial(_marked_at_random(intruder, round(n_marks), rng), False, intruder.context_idx))
    return rng.sample(trials, len(trials))


def _marked_at_random(window: ExampleWindow, n_marks: int, rng: random.Random) -> str:
    has_text = [position for position, piece in enumerate(window.pieces) if piece.strip()]
    is_marked = np.zeros(len(window.pieces), dtype=bool)
    is_marked[rng.sample(has_text, min(n_marks, len(has_text)))] = True
    return marked(window.pieces, is_marked)


def _intruder(trials: Sequence[Trial]) -> int:
    return [trial.is_positive for trial in trials].index(False) + 1


def _number(answer: IntruderAnswer | None) -> int | None:
    return answer.intruder if answer and 1 <= answer.intruder <= WINDOWS_OF_FEATURE + 1 else None


def _verdicts(trials: Sequence[Trial], chosen: int | None) -> list[Verdict]:
    return [trial.judged(None if chosen is None else number != chosen) for number, trial in enumerate(trials, start=1)]
