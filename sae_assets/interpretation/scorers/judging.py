"""Yes-or-no judgements by a language model, five windows a prompt, and how well they agree with the truth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sae_assets.interpretation.answers import ReasonedVerdictsAnswer, VerdictsAnswer
from sae_assets.interpretation.asking import LLM, Question
from sae_assets.interpretation.marking import numbered, quoted
from sae_assets.interpretation.records import Counts, Score, Usage, Verdict
from sae_assets.interpretation.scorers.scorer import Task
from sae_assets.interpretation.templates import load_prompt

WINDOWS_A_PROMPT = 5
UNREADABLE = "too few of the judge's answers could be read"
"""Why a score has no value although the judge was asked."""


class Trial(NamedTuple):
    """A text for the judge and the right verdict on it."""

    text: str
    """As it is shown."""
    is_positive: bool
    """What a judge with a perfect explanation says."""
    context_idx: int
    """The context that it is cut from."""

    def judged(self, said: bool | None) -> Verdict:
        """What the judge said of it; None where its answer could not be read."""
        return Verdict(self.context_idx, self.is_positive, said)


def judge(scorer: str, task: Task, trials: Sequence[Trial], llm: LLM) -> Score:
    """Shows all trials in a random order and scores the verdicts by balanced accuracy.

    A prompt whose answer cannot be read, or has not one verdict for each window, leaves its windows out of the score.
    """
    answer_form = ReasonedVerdictsAnswer if task.cfg.include_cot else VerdictsAnswer
    prompt = load_prompt(scorer, answer_form)
    if missing := _missing_kind(trials):
        return Score(scorer, None, 0, 0, None, prompt.version, Usage(), missing)
    shuffled = random.Random(f"order:{scorer}:{task.index}").sample(trials, len(trials))
    batches = [shuffled[start : start + WINDOWS_A_PROMPT] for start in range(0, len(shuffled), WINDOWS_A_PROMPT)]
    questions = [
        Question(
            prompt.fill(explanation=quoted(task.explanation), examples=numbered(trial.text for trial in batch)),
            answer_form,
        )
        for batch in batches
    ]
    answers = llm.ask_all(questions)
    verdicts: list[Verdict] = []
    for batch, answer in zip(batches, answers, strict=True):
        said = answer.value.verdicts if answer.value else []
        readable = said if len(said) == len(batch) else [None] * len(batch)
        verdicts += [trial.judged(verdict) for trial, verdict in zip(batch, readable, strict=True)]
    counts = counted(verdicts)
    value = counts.balanced_accuracy
    return Score(
        scorer,
        value,
        counts.n,
        len(verdicts) - counts.n,
        counts,
        prompt.version,
        Usage.total(answer.usage for answer in answers),
        UNREADABLE if value is None else None,
        tuple(verdicts),
    )


def counted(verdicts: Iterable[Verdict]) -> Counts:
    """How the verdicts agree with the truth; those that could not be read are left out."""
    cells = Counter((verdict.is_positive, verdict.said) for verdict in verdicts)
    return Counts(cells[True, True], cells[False, True], cells[False, False], cells[True, False])


def _missing_kind(trials: Sequence[Trial]) -> str | None:
    """Why no score can be taken; None where there are windows of both kinds."""
    kinds = {trial.is_positive for trial in trials}
    if len(kinds) == 2:
        return None
    return f"there are no {'negative' if True in kinds else 'positive'} windows to score on"
