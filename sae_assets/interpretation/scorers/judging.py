"""Yes-or-no judgements by a language model, five windows a prompt, and how well they agree with the truth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from sae_assets.interpretation.answers import ReasonedVerdictsAnswer, VerdictsAnswer
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.marking import numbered, quoted
from sae_assets.interpretation.records import Counts, Score, Usage
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import load_prompt

WINDOWS_A_PROMPT = 5


class Trial(NamedTuple):
    """A text for the judge and the right verdict on it."""

    text: str
    """As it is shown."""
    is_positive: bool
    """What a judge with a perfect explanation says."""


def judge(scorer: str, task: Task, trials: Sequence[Trial], client: LLMClient) -> Score:
    """Shows all trials in a random order and scores the verdicts by balanced accuracy.

    A prompt whose answer cannot be read, or has not one verdict for each window, leaves its windows out of the score.
    """
    answer_form = ReasonedVerdictsAnswer if task.cfg.include_cot else VerdictsAnswer
    prompt = load_prompt(scorer, answer_form)
    if missing := _missing_kind(trials):
        return Score(scorer, None, 0, 0, None, prompt.version, Usage(), missing)
    shuffled = random.Random(f"order:{scorer}:{task.index}").sample(trials, len(trials))
    counts, n_unparsable = Counts(), 0
    usage: list[Usage] = []
    for start in range(0, len(shuffled), WINDOWS_A_PROMPT):
        batch = shuffled[start : start + WINDOWS_A_PROMPT]
        examples = numbered(trial.text for trial in batch)
        answer = client.ask(prompt.fill(explanation=quoted(task.explanation), examples=examples), answer_form)
        usage.append(answer.usage)
        if answer.value is None or len(answer.value.verdicts) != len(batch):
            n_unparsable += len(batch)
        else:
            counts = _add(counts, batch, answer.value.verdicts)
    value = counts.balanced_accuracy
    reason = None if value is not None else "too few of the judge's answers could be read"
    return Score(scorer, value, counts.n, n_unparsable, counts, prompt.version, Usage.total(usage), reason)


def _add(counts: Counts, trials: Sequence[Trial], verdicts: Sequence[bool]) -> Counts:
    pairs = [(trial.is_positive, verdict) for trial, verdict in zip(trials, verdicts, strict=True)]
    return Counts(
        counts.true_positive + pairs.count((True, True)),
        counts.false_positive + pairs.count((False, True)),
        counts.true_negative + pairs.count((False, False)),
        counts.false_negative + pairs.count((True, False)),
    )


def _missing_kind(trials: Sequence[Trial]) -> str | None:
    """Why no score can be taken; None where there are windows of both kinds."""
    kinds = {trial.is_positive for trial in trials}
    if len(kinds) == 2:
        return None
    return f"there are no {'negative' if True in kinds else 'positive'} windows to score on"
