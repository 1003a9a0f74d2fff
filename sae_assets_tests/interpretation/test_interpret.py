"""Many features through a real server: each explained or listed once, and no dead endpoint asked a thousand times."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sae_assets.engine.progress import Step
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import Outcome, interpret_features
from sae_assets.interpretation.records import FailedExplanation, FeatureExamples, FeatureExplanation, Usage
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.settings.prices import ModelPrice
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
from sae_assets_tests.interpretation.questions import metered
from sae_assets_tests.interpretation.right_answer import free_port


def features(n: int, start: int = 0) -> Iterator[FeatureExamples]:
    return (word_feature(index) for index in range(start, start + n))


def interpret(cfg: AutoInterpConfig, features: Iterable[FeatureExamples], **options: Any) -> Generator[Outcome]:
    return interpret_features(features, cfg, LLMClient(cfg, first_wait=0.01), **options)


def interpreted(
    cfg: AutoInterpConfig, features: Iterable[FeatureExamples], folder: Path, ledger: Ledger, **options: Any
) -> Generator[Outcome]:
    """As a run does it: with a cache and an account."""
    llm = metered(cfg, ledger, folder / "answers.sqlite")
    return interpret_features(features, cfg, llm, ledger=ledger, **options)


def noted(features: Iterable[FeatureExamples], read: list[int]) -> Iterator[FeatureExamples]:
    for feature in features:
        read.append(feature.index)
        yield feature


@pytest.mark.parametrize("explainer", ["openai", "neuronpedia"])
@pytest.mark.parametrize("include_cot", [True, False])
def test_explanation_carries_its_whole_story(
    server: LLMServer, config: Config, explainer: str, include_cot: bool
) -> None:
    cfg = config(explainer_type=explainer, include_cot=include_cot)
    (outcome,) = interpret(cfg, [word_feature(7)])
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
    list(interpret(config(), features(3), max_workers=1))
    first = [request.prompt for request in server.requests]
    list(interpret(config(), features(3), max_workers=1))
    assert [request.prompt for request in server.requests[len(first) :]] == first


def test_several_features_are_asked_at_a_time_and_no_more(server: LLMServer, config: Config) -> None:
    server.latency = 0.05
    outcomes = list(interpret(config(scorer_type=[]), features(12), max_workers=4))
    assert sorted(outcome.index for outcome in outcomes) == list(range(12))
    assert server.most_at_once == 4


def test_examples_are_read_as_places_become_free(server: LLMServer, config: Config) -> None:
    read: list[int] = []
    outcomes = interpret(config(scorer_type=[]), noted(features(100), read), max_workers=2)
    next(outcomes)
    assert len(read) <= 4
    outcomes.close()
    assert len(server.requests) <= 4


def test_progress_counts_every_feature(server: LLMServer, config: Config) -> None:
    steps: list[Step] = []
    list(interpret(config(scorer_type=[]), features(3), progress=steps.append, total=3))
    assert steps == [Step("explanations", done, 3, "features") for done in range(4)]


def test_feature_without_examples_is_listed_and_asks_nothing(server: LLMServer, config: Config) -> None:
    (outcome,) = interpret(config(), [FeatureExamples(5, 0.0, [], [])])
    assert outcome == FailedExplanation(5, "There is no window in which the feature is active.", "examples")
    assert server.requests == []


def test_one_bad_feature_does_not_stop_the_rest(server: LLMServer, config: Config) -> None:
    bad = word_feature(1, word="poison")

    def fault_for(request: Request) -> Fault | None:
        return content("I would rather talk about something else.") if "poison" in request.user else None

    server.fault_for = fault_for
    outcomes = {o.index: o for o in interpret(config(), [word_feature(0), bad, word_feature(2)])}
    assert isinstance(outcomes[0], FeatureExplanation) and isinstance(outcomes[2], FeatureExplanation)
    reason = "There is no explanation, as the answer does not have the form asked for."
    assert outcomes[1] == FailedExplanation(1, reason, "answer", "I would rather talk about something else.")


def test_something_unforeseen_in_one_feature_is_listed_and_logged(
    server: LLMServer, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    broken = FeatureExamples(1, 1.0, None, [])  # type: ignore[arg-type]
    outcomes = {o.index: o for o in interpret(config(scorer_type=[]), [word_feature(0), broken])}
    assert isinstance(outcomes[0], FeatureExplanation)
    assert isinstance(outcomes[1], FailedExplanation) and outcomes[1].kind == "unexpected"
    assert "feature 1" in caplog.text


def test_score_that_fails_leaves_the_explanation(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda request: status(400, "no") if request.ask.kind == "fuzzing" else None
    (outcome,) = interpret(config(), [word_feature()])
    assert isinstance(outcome, FeatureExplanation)
    assert [score.value for score in outcome.scores] == [1.0, None]
    assert "status 400" in str(outcome.scores[1].reason)
    assert outcome.usage.requests == 3


FAULTS: list[Fault] = [
    status(429, retry_after=0.05), status(500), hang(0.5), cut_connection, content(""), content("{half"), refusal(),
    body('{"choices": ['), body('{"choices": null}'), content('{"verdicts": []}'),
]  # fmt: skip


def test_server_that_fails_in_every_way_ends_with_each_feature_explained_or_listed_once(
    server: LLMServer, config: Config, tmp_path: Path
) -> None:
    rng = random.Random(0)
    server.fault_for = lambda _request: rng.choice(FAULTS) if rng.random() < 0.4 else None
    cfg, ledger = config(request_timeout=0.3), Ledger(max_tokens=10**6)
    outcomes = list(interpreted(cfg, features(40), tmp_path, ledger))
    assert sorted(outcome.index for outcome in outcomes) == list(range(40))
    explained = [outcome for outcome in outcomes if isinstance(outcome, FeatureExplanation)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, FailedExplanation)]
    assert len(explained) > 10 and failed
    assert all(outcome.reason.endswith(".") and "\n" not in outcome.reason for outcome in failed)
    assert all(score.n + score.n_unparsable == 10 for outcome in explained for score in outcome.scores if score.counts)

    # The next run asks for what had no answer, and once more for explanations that could not be read.
    server.fault_for = lambda _request: None
    paid = ledger.spent.requests
    n_unreadable = sum(outcome.kind == "answer" for outcome in failed)
    ledger = Ledger()
    outcomes = list(interpreted(cfg, features(40), tmp_path, ledger))
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes)
    assert ledger.saved.requests == paid
    assert ledger.spent.requests == 5 * 40 + n_unreadable - paid


def test_budget_begins_what_it_can_finish_and_the_next_run_goes_on(
    server: LLMServer, config: Config, tmp_path: Path
) -> None:
    ledger = Ledger(max_tokens=110 * 5 * 8)
    read = []
    outcomes = list(interpreted(config(), noted(features(100), read), tmp_path, ledger, max_workers=2))
    assert ledger.has_ended
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes)
    # A little is kept back, as features differ in what they take.
    assert 6 <= len(outcomes) <= 8
    assert ledger.spent.requests == len(server.requests) == 5 * len(outcomes)
    assert len(read) <= 8 + 2 * 2

    outcomes = list(interpreted(config(), features(10), tmp_path, Ledger(), max_workers=2))
    assert sorted(outcome.index for outcome in outcomes) == list(range(10))
    assert len(server.requests) == 5 * 10


def test_progress_says_what_was_spent(server: LLMServer, config: Config, tmp_path: Path) -> None:
    steps: list[Step] = []
    cfg = config(scorer_type=[], prices={"gpt-3.5-turbo": ModelPrice(input=1000, output=10_000)})
    list(interpreted(cfg, features(2), tmp_path, Ledger(), max_workers=1, progress=steps.append))
    assert (steps[0].note, steps[-1].note) == ("", "$0.40, 220 tokens")


def test_endpoint_that_dies_before_all_scores_are_there_leaves_the_feature_to_the_next_run(
    server: LLMServer, config: Config, tmp_path: Path
) -> None:
    server.fault_for = lambda request: status(403, "revoked") if request.ask.kind == "fuzzing" else None
    with pytest.raises(UserError, match="wants an API key"):
        list(interpreted(config(), features(1), tmp_path, Ledger()))
    server.fault_for = lambda _request: None
    (outcome,) = interpreted(config(), features(1), tmp_path, Ledger())
    assert isinstance(outcome, FeatureExplanation)
    assert outcome.usage.n_from_cache == 3
    assert len(server.requests) == 6


def test_file_of_answers_that_cannot_be_used_ends_the_run(server: LLMServer, config: Config, tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_text("no database" * 100)
    with pytest.raises(UserError, match="cache of answers"):
        list(interpreted(config(), features(1000), tmp_path, Ledger()))
    assert server.requests == []


def test_dead_endpoint_is_one_error_and_no_failed_features() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    cfg = AutoInterpConfig(openai_base_url=url)
    with pytest.raises(UserError, match=f"The endpoint {url} cannot be reached"):
        next(interpret(cfg, features(1000)))


@pytest.mark.parametrize("n_features", [1, 3, 1000])
def test_wrong_key_is_one_error(server: LLMServer, config: Config, n_features: int) -> None:
    server.key = "right"
    outcomes = interpret(config(openai_api_key="wrong"), features(n_features), max_workers=4)
    with pytest.raises(UserError, match="refused the API key"):
        next(outcomes)
    # Four refusals end the work; by then at most eight more features are under way.
    assert len(server.requests) <= 12


def test_one_refused_connection_at_the_start_is_a_failed_feature_and_no_more(server: LLMServer, config: Config) -> None:
    server.faults = [status(404, "model is loading")]
    outcomes = list(interpret(config(scorer_type=[]), features(6), max_workers=3))
    assert sorted(outcome.index for outcome in outcomes) == list(range(6))
    assert sum(isinstance(outcome, FailedExplanation) for outcome in outcomes) == 1


def test_endpoint_that_dies_on_the_way_ends_the_run_after_what_was_done(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda _request: status(403, "revoked") if len(server.requests) > 10 else None
    outcomes = []
    with pytest.raises(UserError, match="wants an API key"):
        for outcome in interpret(config(scorer_type=[]), features(1000), max_workers=2):
            outcomes.append(outcome)
    assert sum(isinstance(outcome, FeatureExplanation) for outcome in outcomes) == 10
    # One of the two workers may succeed after the other's first failure, which then does not count.
    assert 30 <= len(outcomes) <= 31


def test_no_endpoint_and_unknown_scorers_are_refused_before_anything_is_read(config: Config) -> None:
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        interpret(AutoInterpConfig(), features(1))
    with pytest.raises(UserError, match="generation"):
        interpret(config(scorer_type=["generation"]), features(1))


def test_leaving_early_ends_waits_and_threads(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda request: status(429, retry_after=60) if len(server.requests) > 1 else None
    outcomes = interpret(config(scorer_type=[]), features(10), max_workers=2)
    next(outcomes)
    began = time.monotonic()
    outcomes.close()
    assert time.monotonic() - began < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("interpret")]
