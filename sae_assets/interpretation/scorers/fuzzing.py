"""Fuzzing: does the explanation tell the right tokens from others in the feature's own windows?

Definition: Paulo et al., "Automatically Interpreting Millions of Features in Large Language Models" (2024), and
EleutherAI's delphi: windows of the feature with marked tokens. In some the marks are right (at least 0.3 of the
window's peak), in the others they are moved to as many random tokens; balanced accuracy of the judge's verdicts. A
window is shown once, in one of the two ways, so that a judge cannot compare.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from sae_assets.interpretation.asking import LLM
from sae_assets.interpretation.examples import Ranked, across_deciles
from sae_assets.interpretation.marking import is_strong, marked, marked_above
from sae_assets.interpretation.records import ExampleWindow, Score
from sae_assets.interpretation.scorers.judging import Trial, judge
from sae_assets.interpretation.scorers.scorer import Task

RIGHT_SHARE_OF_PEAK = 0.3


def score(task: Task, llm: LLM) -> Score:
    """Balanced accuracy over `fuzzing_n_examples` windows of either kind, or as many as there are.

    Each decile of peak activation gives at most `fuzzing_decile_correct` rightly and `fuzzing_decile_incorrect` wrongly
    marked windows.
    """
    rng = task.rng("fuzzing")
    decile_limits = {True: task.cfg.fuzzing_decile_correct, False: task.cfg.fuzzing_decile_incorrect}
    trials = deal(across_deciles(task.examples.scoring, rng), task.cfg.fuzzing_n_examples, decile_limits, rng)
    return judge("fuzzing", task, trials, llm)


def deal(windows: Sequence[Ranked], n_examples: int, decile_limits: dict[bool, int], rng: random.Random) -> list[Trial]:
    """Deals windows out to right and wrong marks evenly, up to `n_examples` of either and the deciles' limits."""
    trials: list[Trial] = []
    dealt: Counter[bool] = Counter()
    of_decile: Counter[tuple[int, bool]] = Counter()
    for decile, window in windows:
        for is_right in sorted((True, False), key=lambda kind: (dealt[kind], not kind)):
            if dealt[is_right] == n_examples or of_decile[decile, is_right] == decile_limits[is_right]:
                continue
            text = marked_rightly(window) if is_right else marked_wrongly(window, rng)
            if text is None:
                continue
            trials.append(Trial(text, is_right, window.context_idx))
            dealt[is_right] += 1
            of_decile[decile, is_right] += 1
            break
    return trials


def marked_rightly(window: ExampleWindow) -> str:
    """The window with the tokens marked on which the feature is active."""
    return marked_above(window, RIGHT_SHARE_OF_PEAK)


def marked_wrongly(window: ExampleWindow, rng: random.Random) -> str | None:
    """The window with as many marks on random tokens, silent ones where there are enough.

    None where fewer tokens are left over than the right ones, as it would then be known by its number of marks.
    """
    right = is_strong(window, RIGHT_SHARE_OF_PEAK)
    has_text = np.array([bool(piece.strip()) for piece in window.pieces], dtype=bool)
    silent = np.flatnonzero((window.activations == 0) & has_text).tolist()
    weak = np.flatnonzero((window.activations > 0) & ~right & has_text).tolist()
    n_marks = int(right.sum())
    if len(silent) + len(weak) < n_marks:
        return None
    wrong = np.zeros_like(right)
    wrong[rng.sample(silent, min(n_marks, len(silent)))] = True
    wrong[rng.sample(weak, n_marks - int(wrong.sum()))] = True
    return marked(window.pieces, wrong)
