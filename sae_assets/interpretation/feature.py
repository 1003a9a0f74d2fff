"""One feature from examples to explanation and scores."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sae_assets.interpretation.client import LLMClient
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
    feature: FeatureExamples, cfg: AutoInterpConfig, scorers: Mapping[str, Scorer], client: LLMClient
) -> FeatureExplanation | FailedExplanation:
    """Explains a feature and scores the explanation on windows that the explainer did not see.

    A score that the endpoint fails to give is None with the reason; the explanation, which is paid for, is kept.

    Raises:
        EndpointUnusableError: the explanation cannot be asked for, nor can any other.
    """
    began = time.monotonic()
    examples = split_examples(feature, cfg.n_activating_examples, cfg.n_non_activating_examples)
    if not examples.explaining:
        return FailedExplanation(feature.index, "There is no window in which the feature is active.", "examples")
    explainer = EXPLAINERS[cfg.explainer_type]
    prompt = explainer.prompt(cfg.include_cot)
    messages = prompt.fill(**explainer.prompt_fields(feature, examples.explaining, cfg.activation_threshold))
    try:
        answer = client.ask(messages, explainer.answer(cfg.include_cot))
    except EndpointUnusableError:
        raise
    except EndpointError as error:
        return FailedExplanation(feature.index, str(error), "endpoint")
    if answer.value is None:
        return FailedExplanation(feature.index, f"There is no explanation, as {answer.problem}.", "answer")
    text = answer.value.final_explanation
    task = Task(feature.index, feature.max_activation, text, examples, cfg)
    scores = tuple(_score(name, scorer, task, client) for name, scorer in scorers.items())
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


def _score(name: str, scorer: Scorer, task: Task, client: LLMClient) -> Score:
    try:
        return scorer(task, client)
    except EndpointError as error:
        return Score(name, None, 0, 0, None, None, Usage(), str(error))
