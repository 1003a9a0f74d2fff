"""Scoring one feature by a judge behind a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.examples import split_examples
from sae_assets.interpretation.records import FeatureExamples, Score
from sae_assets.interpretation.scorers import Task, scorers_of
from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.features import word_feature

Scored = Callable[..., Score]
"""The score of a feature by the scorer of this name, with these settings."""


def task_of(feature: FeatureExamples, cfg: AutoInterpConfig) -> Task:
    split = split_examples(feature, cfg.n_activating_examples, cfg.n_non_activating_examples)
    return Task(feature.index, feature.max_activation, "the word cat", split, cfg)


@pytest.fixture
def scored(config: Config) -> Iterator[Scored]:
    with LLMClient(config(), first_wait=0.01) as client:

        def score(scorer: str, feature: FeatureExamples | None = None, **fields: Any) -> Score:
            cfg = config(scorer_type=[scorer], **fields)
            return scorers_of(cfg)[scorer](task_of(feature or word_feature(), cfg), client)

        yield score
