"""A run that ends in the middle of a wait: by a person, or by what the features are read from."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import interpret_features
from sae_assets.interpretation.metered import MeteredLLM
from sae_assets.interpretation.records import FeatureExamples, FeatureExplanation
from sae_assets.settings import UserError
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import LLMServer

N_WORKERS = 2


def until_under_way(server: LLMServer, end: BaseException) -> Iterator[FeatureExamples]:
    """More features than there are workers, and the end as soon as each worker waits for an answer."""
    yield from map(word_feature, range(N_WORKERS + 1))
    while len(server.requests) < N_WORKERS:
        time.sleep(0.001)
    raise end


@pytest.mark.parametrize("end", [KeyboardInterrupt(), UserError("The store is gone.")])
def test_nothing_more_is_asked_and_what_is_under_way_is_kept(
    server: LLMServer, config: Config, tmp_path: Path, end: BaseException
) -> None:
    server.latency = 0.5
    cfg = config()
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        llm = MeteredLLM(LLMClient(cfg), cfg, Ledger(), cache)
        with pytest.raises(type(end)):
            list(interpret_features(until_under_way(server, end), cfg, llm, max_workers=N_WORKERS))
        assert len(server.requests) == N_WORKERS
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("interpret")]
        server.latency = 0.0
        llm = MeteredLLM(LLMClient(cfg), cfg, Ledger(), cache)
        outcomes = list(interpret_features(map(word_feature, range(N_WORKERS + 1)), cfg, llm))
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes) and len(outcomes) == N_WORKERS + 1
    prompts = [request.prompt for request in server.requests]
    assert len(set(prompts)) == len(prompts)
