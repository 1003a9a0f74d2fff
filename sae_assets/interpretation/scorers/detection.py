"""Detection: does the explanation tell windows of the feature from windows without it?

Definition: Paulo et al., "Automatically Interpreting Millions of Features in Large Language Models" (2024), and
EleutherAI's delphi: windows across deciles of peak activation and windows in which the feature is silent, shuffled,
five a prompt; balanced accuracy of the judge's verdicts.
"""

from __future__ import annotations

from sae_assets.interpretation.asking import LLM
from sae_assets.interpretation.records import Score
from sae_assets.interpretation.scorers.judging import Trial, judge
from sae_assets.interpretation.scorers.scorer import Task


def score(task: Task, llm: LLM) -> Score:
    """Balanced accuracy over `detection_n_examples` windows of either kind, or as many as there are."""
    rng, n_examples = task.rng("detection"), task.cfg.detection_n_examples
    active, silent = task.examples.draw_active(n_examples, rng), task.examples.draw_silent(n_examples, rng)
    trials = [Trial(window.text, window.peak > 0, window.context_idx) for window in (*active, *silent)]
    return judge("detection", task, trials, llm)
