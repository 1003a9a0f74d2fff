"""Many features through a real server: each explained or listed once, and no dead endpoint asked a thousand times."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest

from sae_assets.engine.progress import Step
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import interpret_features
from sae_assets.interpretation.records import FailedExplanation, FeatureExamples, FeatureExplanation, Usage
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import (
    Fault,
    LLMServer,
    Request,
    body,
    content,
    cut_connection,
    hang,
    refusal,
    status,
)
from sae_assets_tests.interpretation.test_client import free_port


def features(n: int, start: int = 0) -> Iterator[FeatureExamples]:
    return (word_feature(index) for index in range(start, start + n))


def quick(cfg: AutoInterpConfig, timeout: float = 5.0) -> LLMClient:
    return LLMClient(cfg, timeout=timeout, first_wait=0.01)


@pytest.mark.parametrize("explainer", ["openai", "neuronpedia"])
@pytest.mark.parametrize("include_cot", [True, False])
def test_explanation_carries_its_whole_story(
    server: LLMServer, config: Config, explainer: str, include_cot: bool
) -> None:
    cfg = config(explainer_type=explainer, include_cot=include_cot)
    (outcome,) = interpret_features([word_feature(7)], cfg)
    assert isinstance(outcome, FeatureExplanation)
    assert (outcome.index, outcome.text, outcome.consistency, outcome.complexity) == (7, "the word cat", 5, 1)
    assert (outcome.explainer, outcome.model) == (explainer, "judge-2024")
    assert outcome.prompt == server.requests[0].prompt
    assert '"final_explanation": "the word cat"' in outcome.answer
    assert [(score.scorer, score.value) for score in outcome.scores] == [("detection", 1.0), ("fuzzing", 1.0)]
    assert outcome.usage == Usage(5, 500, 50)
    assert len(server.requests) == 5
    assert outcome.seconds > 0


def test_same_feature_is_asked_in_the_same_words_in_every_run(server: LLMServer, config: Config) -> None:
    list(interpret_features(features(3), config(), max_workers=1))
    first = [request.prompt for request in server.requests]
    list(interpret_features(features(3), config(), max_workers=1))
    assert [request.prompt for request in server.requests[len(first) :]] == first


def test_several_features_are_asked_at_a_time_and_no_more(server: LLMServer, config: Config) -> None:
    server.latency = 0.05
    outcomes = list(interpret_features(features(12), config(scorer_type=[]), max_workers=4))
    assert sorted(outcome.index for outcome in outcomes) == list(range(12))
    assert server.most_at_once == 4


def test_examples_are_read_as_places_become_free(server: LLMServer, config: Config) -> None:
    read = []

    def counted() -> Iterator[FeatureExamples]:
        for feature in features(100):
            read.append(feature.index)
            yield feature

    outcomes = interpret_features(counted(), config(scorer_type=[]), max_workers=2)
    next(outcomes)
    assert len(read) <= 4
    outcomes.close()  # type: ignore[attr-defined]
    assert len(server.requests) <= 4


def test_progress_counts_every_feature(server: LLMServer, config: Config) -> None:
    steps: list[Step] = []
    list(interpret_features(features(3), config(scorer_type=[]), progress=steps.append, total=3))
    assert steps == [Step("explanations", done, 3, "features") for done in range(4)]


def test_feature_without_examples_is_listed_and_asks_nothing(server: LLMServer, config: Config) -> None:
    (outcome,) = interpret_features([FeatureExamples(5, 0.0, [], [])], config())
    assert outcome == FailedExplanation(5, "There is no window in which the feature is active.", "examples")
    assert server.requests == []


def test_one_bad_feature_does_not_stop_the_rest(server: LLMServer, config: Config) -> None:
    bad = word_feature(1, word="poison")

    def fault_for(request: Request) -> Fault | None:
        return content("I would rather talk about something else.") if "poison" in request.user else None

    server.fault_for = fault_for
    outcomes = {o.index: o for o in interpret_features([word_feature(0), bad, word_feature(2)], config())}
    assert isinstance(outcomes[0], FeatureExplanation) and isinstance(outcomes[2], FeatureExplanation)
    reason = "There is no explanation, as the answer does not have the form asked for."
    assert outcomes[1] == FailedExplanation(1, reason, "answer")


def test_something_unforeseen_in_one_feature_is_listed_and_logged(
    server: LLMServer, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    broken = FeatureExamples(1, 1.0, None, [])  # type: ignore[arg-type]
    outcomes = {o.index: o for o in interpret_features([word_feature(0), broken], config(scorer_type=[]))}
    assert isinstance(outcomes[0], FeatureExplanation)
    assert isinstance(outcomes[1], FailedExplanation) and outcomes[1].kind == "unexpected"
    assert "feature 1" in caplog.text


def test_score_that_fails_leaves_the_explanation(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda request: status(400, "no") if request.ask.kind == "fuzzing" else None
    (outcome,) = interpret_features([word_feature()], config())
    assert isinstance(outcome, FeatureExplanation)
    assert [score.value for score in outcome.scores] == [1.0, None]
    assert "status 400" in str(outcome.scores[1].reason)
    assert outcome.usage.requests == 3


def test_server_that_fails_in_every_way_ends_with_each_feature_explained_or_listed_once(
    server: LLMServer, config: Config
) -> None:
    faults: list[Fault] = [
        status(429, retry_after=0.05), status(500), hang(0.5), cut_connection, content(""), content("{half"), refusal(),
        body('{"choices": ['), body('{"choices": null}'), content('{"verdicts": []}'),
    ]  # fmt: skip
    rng = random.Random(0)
    server.fault_for = lambda _request: rng.choice(faults) if rng.random() < 0.4 else None
    cfg = config()
    with quick(cfg, timeout=0.3) as client:
        outcomes = list(interpret_features(features(40), cfg, client=client))
    assert sorted(outcome.index for outcome in outcomes) == list(range(40))
    explained = [outcome for outcome in outcomes if isinstance(outcome, FeatureExplanation)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, FailedExplanation)]
    assert len(explained) > 10 and failed
    assert all(outcome.reason.endswith(".") and "\n" not in outcome.reason for outcome in failed)
    assert all(score.n + score.n_unparsable == 10 for outcome in explained for score in outcome.scores if score.counts)


def test_dead_endpoint_is_one_error_and_no_failed_features() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    cfg = AutoInterpConfig(openai_base_url=url)
    with quick(cfg) as client, pytest.raises(UserError, match=f"The endpoint {url} cannot be reached"):
        next(interpret_features(features(1000), cfg, client=client))


@pytest.mark.parametrize("n_features", [1, 3, 1000])
def test_wrong_key_is_one_error(server: LLMServer, config: Config, n_features: int) -> None:
    server.key = "right"
    outcomes = interpret_features(features(n_features), config(openai_api_key="wrong"), max_workers=4)
    with pytest.raises(UserError, match="refused the API key"):
        next(outcomes)
    # Four refusals end the work; by then at most eight more features are under way.
    assert len(server.requests) <= 12


def test_one_refused_connection_at_the_start_is_a_failed_feature_and_no_more(server: LLMServer, config: Config) -> None:
    server.faults = [status(404, "model is loading")]
    outcomes = list(interpret_features(features(6), config(scorer_type=[]), max_workers=3))
    assert sorted(outcome.index for outcome in outcomes) == list(range(6))
    assert sum(isinstance(outcome, FailedExplanation) for outcome in outcomes) == 1


def test_endpoint_that_dies_on_the_way_ends_the_run_after_what_was_done(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda _request: status(403, "revoked") if len(server.requests) > 10 else None
    outcomes = []
    with pytest.raises(UserError, match="refused the API key"):
        for outcome in interpret_features(features(1000), config(scorer_type=[]), max_workers=2):
            outcomes.append(outcome)
    assert sum(isinstance(outcome, FeatureExplanation) for outcome in outcomes) == 10
    assert len(outcomes) == 30


def test_no_endpoint_and_unknown_scorers_are_refused_before_anything_is_read(config: Config) -> None:
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        interpret_features(features(1), AutoInterpConfig())
    with pytest.raises(UserError, match="generation"):
        interpret_features(features(1), config(scorer_type=["generation"]))


def test_leaving_early_ends_waits_and_threads(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda request: status(429, retry_after=60) if len(server.requests) > 1 else None
    outcomes = interpret_features(features(10), config(scorer_type=[]), max_workers=2)
    next(outcomes)
    began = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("interpret")]
