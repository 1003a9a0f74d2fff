"""One feature from examples to explanation and scores."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sae_assets.interpretation.answers import ExplanationAnswer
from sae_assets.interpretation.asking import LLM, Answer, PendingError, Question, ask
from sae_assets.interpretation.examples import split_examples
from sae_assets.interpretation.explainers import EXPLAINERS
from sae_assets.interpretation.failures import EndpointError, EndpointUnusableError
from sae_assets.interpretation.records import (
    FailedExplanation,
    FeatureExamples,
    FeatureExplanation,
    Score,
    Usage,
)
from sae_assets.interpretation.scorers import Scorer, Task
from sae_assets.settings import AutoInterpConfig


def interpret_feature(
    feature: FeatureExamples, cfg: AutoInterpConfig, scorers: Mapping[str, Scorer], llm: LLM
) -> FeatureExplanation | FailedExplanation:
    """Explains a feature and scores the explanation on windows that the explainer did not see.

    A score that the endpoint fails to give is None with the reason; the explanation, which is paid for, is kept.

    Raises:
        EndpointUnusableError: nothing can be asked for, by this feature or another; the cache has what was answered.
        BudgetEndedError: the run may not pay for all of it; likewise.
        PendingError: the explanation or some of the scores come with a batch; every scorer has asked what it can.
        UserError: nothing more can be asked in this run.
    """
    began = time.monotonic()
    examples = split_examples(feature, cfg.n_activating_examples, cfg.n_non_activating_examples)
    if not examples.explaining:
        return FailedExplanation(feature.index, "There is no window in which the feature is active.", "examples")
    explainer = EXPLAINERS[cfg.explainer_type]
    prompt = explainer.prompt(cfg.include_cot)
    messages = prompt.fill(**explainer.prompt_fields(feature, examples.explaining, cfg.activation_threshold))
    try:
        answer = _explanation(llm, Question(messages, explainer.answer(cfg.include_cot)))
    except EndpointUnusableError:
        raise
    except EndpointError as error:
        return FailedExplanation(feature.index, str(error), "endpoint")
    if answer.value is None:
        return FailedExplanation(feature.index, f"There is no explanation, as {answer.problem}.", "answer", answer.text)
    text = answer.value.final_explanation
    task = Task(feature.index, feature.max_activation, text, examples, cfg)
    scores = _scores(scorers, task, llm)
    return FeatureExplanation(
        index=feature.index,
        text=text,
        consistency=answer.value.activation_consistency,
        complexity=answer.value.complexity,
        scores=scores,
        explainer=explainer.name,
        model=answer.model,
        prompt_hash=prompt.version,
        prompt=messages.text,
        answer=answer.text,
        usage=Usage.total([answer.usage, *(score.usage for score in scores)]),
        seconds=time.monotonic() - began,
    )


def _explanation(llm: LLM, question: Question[ExplanationAnswer]) -> Answer[ExplanationAnswer]:
    """The answer; in place of one that an earlier run got and could not read, a new one is asked for."""
    answer = ask(llm, question)
    while answer.value is None and answer.usage.n_from_cache:
        question = question._replace(attempt=question.attempt + 1)
        answer = ask(llm, question)
    return answer


def _scores(scorers: Mapping[str, Scorer], task: Task, llm: LLM) -> tuple[Score, ...]:
    scores: list[Score] = []
    pending: PendingError | None = None
    for name, scorer in scorers.items():
        try:
            scores.append(scorer(task, llm))
        except PendingError as error:
            pending = error
        except EndpointUnusableError:
            raise
        except EndpointError as error:
            scores.append(Score(name, None, 0, 0, None, None, Usage(), str(error)))
    if pending is not None:
        raise pending
    return tuple(scores)
