"""Detection: does the explanation tell windows of the feature from windows without it?

Definition: Paulo et al., "Automatically Interpreting Millions of Features in Large Language Models" (2024), and
EleutherAI's delphi: windows across deciles of peak activation and windows in which the feature is silent, shuffled,
five a prompt; balanced accuracy of the judge's verdicts.
"""

from __future__ import annotations

from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.examples import across_deciles
from sae_assets.interpretation.records import Score
from sae_assets.interpretation.scorers.judging import Trial, judge
from sae_assets.interpretation.scorers.scorer import Task


def score(task: Task, client: LLMClient) -> Score:
    """Balanced accuracy over `detection_n_examples` windows of either kind, or as many as there are."""
    rng, n_examples = task.rng("detection"), task.cfg.detection_n_examples
    active = [ranked.window for ranked in across_deciles(task.examples.scoring, rng)[:n_examples]]
    silent = rng.sample(task.examples.silent, min(n_examples, len(task.examples.silent)))
    trials = [Trial(window.text, True) for window in active] + [Trial(window.text, False) for window in silent]
    return judge("detection", task, trials, client)
