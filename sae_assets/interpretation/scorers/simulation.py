"""Simulation: can activations be predicted from the explanation?

Definition: Bills et al., "Language models can explain neurons in language models" (OpenAI, 2023), in the all-at-once
form: the judge predicts an activation from 0 to 10 for each token; Pearson's correlation with the true activations,
over the tokens of all windows together.
"""

from __future__ import annotations

import numpy as np

from sae_assets.interpretation.answers import SimulationAnswer
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.examples import across_deciles
from sae_assets.interpretation.marking import quoted
from sae_assets.interpretation.records import Score, Usage
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import load_prompt


def score(task: Task, client: LLMClient) -> Score:
    """Correlation over `detection_n_examples` windows of either kind, one a prompt, or as many as there are."""
    prompt = load_prompt("simulation", SimulationAnswer)
    rng, n_examples = task.rng("simulation"), task.cfg.detection_n_examples
    active = [ranked.window for ranked in across_deciles(task.examples.scoring, rng)[:n_examples]]
    silent = rng.sample(task.examples.silent, min(n_examples, len(task.examples.silent)))
    predicted: list[float] = []
    true: list[float] = []
    usage: list[Usage] = []
    n_unparsable = 0
    for window in (*active, *silent) if active else ():
        tokens = "\n".join(f"{number}: {quoted(piece)}" for number, piece in enumerate(window.pieces, start=1))
        answer = client.ask(prompt.fill(explanation=quoted(task.explanation), tokens=tokens), SimulationAnswer)
        usage.append(answer.usage)
        if answer.value is None or len(answer.value.activations) != len(window.pieces):
            n_unparsable += 1
        else:
            predicted += answer.value.activations
            true += window.activations.tolist()
    value = correlation(predicted, true)
    reason = None if value is not None else _reason(bool(active), predicted)
    return Score("simulation", value, len(true), n_unparsable, None, prompt.version, Usage.total(usage), reason)


def correlation(predicted: list[float], true: list[float]) -> float | None:
    """Pearson's correlation; None where one side does not vary, as it is then undefined."""
    if not predicted or min(predicted) == max(predicted) or min(true) == max(true):
        return None
    return float(np.corrcoef(predicted, true)[0, 1])


def _reason(has_windows: bool, predicted: list[float]) -> str:
    if not has_windows:
        return "there are no positive windows to score on"
    return "the judge predicted the same for every token" if predicted else "the judge's answers could not be read"
