"""Features by batches: as if they had been asked directly, in two batches and at half the price."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sae_assets.engine.progress import Step
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import Outcome, interpret_features
from sae_assets.interpretation.made_up import TYPICAL_EXPLANATION
from sae_assets.interpretation.records import FailedExplanation, FeatureExplanation, Score, Usage
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.batch.conftest import Explain
from sae_assets_tests.interpretation.batch.run import explain
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import content, status


def explained(outcomes: list[Outcome]) -> list[FeatureExplanation]:
    return [outcome for outcome in outcomes if isinstance(outcome, FeatureExplanation)]


def failed(outcomes: list[Outcome]) -> list[FailedExplanation]:
    return [outcome for outcome in outcomes if isinstance(outcome, FailedExplanation)]


def without_price_and_time(explanation: FeatureExplanation) -> FeatureExplanation:
    def free(score: Score) -> Score:
        return replace(score, usage=score.usage._replace(cost=None))

    usage = explanation.usage._replace(cost=None)
    return replace(explanation, seconds=0.0, usage=usage, scores=tuple(map(free, explanation.scores)))


def test_all_explanations_come_with_one_batch_and_all_scores_with_the_next(server: BatchServer, run: Explain) -> None:
    outcomes = run(5)
    assert [explanation.text for explanation in explained(outcomes)] == ["the word cat"] * 5
    assert [score.value for explanation in explained(outcomes) for score in explanation.scores] == [1.0] * 10
    # The first explanation is asked directly, so its four prompts of scores go with the explanations of the others.
    assert server.n_lines == [4 + 4, 4 * 4]
    assert len(set(server.prompts)) == len(server.prompts) == 25


def test_batch_and_direct_requests_give_equal_explanations_and_scores(server: BatchServer, run: Explain) -> None:
    scorers: list[Any] = ["detection", "fuzzing", "simulation", "intruder", "saebench"]
    by_batch = run(3, scorer_type=scorers, include_cot=True)
    asked = server.requests.copy()
    server.requests.clear()
    cfg = AutoInterpConfig(openai_base_url=server.base_url, scorer_type=scorers)
    features = [word_feature(index) for index in range(3)]
    directly = sorted(interpret_features(features, cfg, LLMClient(cfg)), key=lambda outcome: outcome.index)
    assert [without_price_and_time(one) for one in explained(by_batch)] == [
        without_price_and_time(one) for one in explained(directly)
    ]
    bodies = [{request.prompt: request.payload for request in requests} for requests in (asked, server.requests)]
    assert bodies[0] == bodies[1]


def test_batch_costs_half_but_for_the_first_prompt(run: Explain) -> None:
    ledger = Ledger()
    outcomes = run(3, ledger=ledger, openai_model="gpt-4o")
    a_request = (100 * 2.5 + 10 * 10) / 1e6
    assert [one.usage.cost for one in explained(outcomes)] == pytest.approx([3 * a_request] + [2.5 * a_request] * 2)
    assert ledger.spent._replace(cost=None) == Usage(15, 1500, 150)
    assert ledger.spent.cost == pytest.approx(8 * a_request)


def test_answers_in_the_cache_are_not_asked_and_cost_nothing(server: BatchServer, run: Explain) -> None:
    run(2, scorer_type=["detection"])
    server.requests.clear()
    ledger = Ledger()
    outcomes = run(3, scorer_type=["detection", "fuzzing"], ledger=ledger)
    assert len(explained(outcomes)) == 3
    # Feature 0 and 1: fuzzing only.
    assert len(server.requests) == 2 * 2 + 5
    assert (ledger.spent.requests, ledger.saved.requests) == (9, 6)
    assert [one.usage.n_from_cache for one in explained(outcomes)] == [3, 3, 0]


def test_nothing_is_called_when_the_cache_knows_everything(server: BatchServer, run: Explain) -> None:
    run(2)
    calls, requests = len(server.calls), len(server.requests)
    assert len(explained(run(2))) == 2
    assert (len(server.calls), len(server.requests)) == (calls, requests)


def test_without_the_cache_everything_is_asked_again(server: BatchServer, run: Explain) -> None:
    first = run(2)
    again = run(2, use_cache=False)
    assert [without_price_and_time(one) for one in explained(again)] == [
        without_price_and_time(one) for one in explained(first)
    ]
    assert len(server.requests) == 20


def test_embeddings_are_asked_directly_and_only_for_real_explanations(server: BatchServer, run: Explain) -> None:
    embeddings = EmbeddingServer()
    with embeddings:
        cfg = EmbeddingConfig(model="m", base_url=embeddings.base_url)
        ledger = Ledger(max_tokens=1_000_000)
        outcomes = run(4, scorer_type=["detection", "embedding"], embedding=cfg, ledger=ledger)
    assert all(one.scores[1].value is not None for one in explained(outcomes))
    texts = {text for texts in embeddings.sent for text in texts}
    assert "the word cat" in texts and TYPICAL_EXPLANATION not in texts
    assert len(set(server.prompts)) == len(server.prompts) == 12


def test_request_options_and_looser_structure_reach_the_batch(server: BatchServer, run: Explain) -> None:
    server.refused_forms = {"json_schema"}
    outcomes = run(2, scorer_type=["detection"], request_options={"temperature": 0.5})
    assert len(explained(outcomes)) == 2
    by_batch = server.requests[2:]
    assert {request.form for request in by_batch} == {"json_object"}
    assert {request.payload["temperature"] for request in by_batch} == {0.5}


def test_prompts_that_the_batch_does_not_answer_are_failures_and_asked_by_the_next_run(
    server: BatchServer, run: Explain
) -> None:
    def fault_for(request: object) -> object:
        return status(400, "blocked by policy") if request.payload == bad.payload else None  # type: ignore[attr-defined]

    run(3, scorer_type=[])
    bad = server.requests[1]
    server.fault_for = fault_for  # type: ignore[assignment]
    outcomes = run(3, scorer_type=["detection"], use_cache=False)
    assert len(explained(outcomes)) == 2
    (failure,) = failed(outcomes)
    assert failure.kind == "endpoint"
    assert failure.reason == "The batch has no answer to this prompt (status 400: blocked by policy)."
    server.fault_for = lambda _request: None
    n_asked = len(server.requests)
    assert len(explained(run(3, scorer_type=["detection"]))) == 3
    assert len(server.requests) == n_asked + 2


def test_many_failures_in_a_row_do_not_hide_what_was_answered(server: BatchServer, run: Explain) -> None:
    server.fault_for = lambda _request: status(400, "no") if 0 < len(server.requests) <= 60 else None
    server.faults = [content('{"final_explanation": "a", "activation_consistency": 1, "complexity": 1, "steps": []}')]
    outcomes = run(100, scorer_type=[])
    assert (len(failed(outcomes)), len(explained(outcomes))) == (59, 41)


def test_score_that_the_batch_does_not_answer_leaves_the_explanation(server: BatchServer, run: Explain) -> None:
    server.fault_for = lambda request: status(400, "no") if request.ask.kind == "fuzzing" else None
    outcomes = run(2)
    assert [[score.value for score in one.scores] for one in explained(outcomes)] == [[1.0, None]] * 2
    assert "status 400" in str(explained(outcomes)[0].scores[1].reason)


def test_unreadable_explanation_is_a_failure_of_the_answer(server: BatchServer, run: Explain) -> None:
    server.fault_for = lambda _request: content("I would rather not.")
    assert [failure.kind for failure in failed(run(2))] == ["answer", "answer"]


def test_what_an_expired_batch_did_not_come_to_goes_with_another(server: BatchServer, run: Explain) -> None:
    server.endings = ["expired"]
    assert len(explained(run(9, scorer_type=[]))) == 9
    assert server.n_lines == [8, 4]
    assert len(set(server.prompts)) == len(server.prompts) == 9


def test_prompt_that_two_batches_did_not_come_to_is_a_failure(server: BatchServer, run: Explain) -> None:
    server.endings = ["expired", "expired"]
    outcomes = run(9, scorer_type=[])
    assert len(explained(outcomes)) == 7
    assert all(failure.kind == "endpoint" and "expired" in failure.reason for failure in failed(outcomes))
    assert len(explained(run(9, scorer_type=[]))) == 9


def test_failures_of_the_server_in_a_batch_are_asked_once_more(server: BatchServer, run: Explain) -> None:
    server.fault_for = lambda _request: status(500, "oops") if len(server.requests) in (2, 3) else None
    assert len(explained(run(5, scorer_type=[]))) == 5
    assert server.n_lines == [4, 2]


def test_cancelled_batch_is_not_sent_again_by_the_same_run(server: BatchServer, run: Explain) -> None:
    server.endings = ["cancelled"]
    outcomes = run(9, scorer_type=[])
    assert server.n_lines == [8]
    assert len(explained(outcomes)) == 5
    assert all("cancelled" in failure.reason for failure in failed(outcomes))


def test_refused_batch_ends_the_run_in_the_words_of_the_endpoint(server: BatchServer, run: Explain) -> None:
    server.endings = ["failed"]
    with pytest.raises(UserError, match=r"refused the batch batch_\d+: Line 1 is not valid\.$"):
        run(3)
    assert len(explained(run(3))) == 3


def test_batch_that_cannot_be_begun_is_not_taken_for_one_under_way(server: BatchServer, run: Explain) -> None:
    server.call_faults = [None, None, status(400, "Billing hard limit has been reached")]
    with pytest.raises(UserError, match="Billing hard limit has been reached"):
        run(3)
    assert len(explained(run(3))) == 3
    assert len(set(server.prompts)) == len(server.prompts) == 15


def test_batches_become_smaller_until_the_endpoint_takes_one(server: BatchServer, run: Explain) -> None:
    server.refusal = ("token_limit_exceeded", "Enqueued token limit reached")
    server.endings = ["failed", "failed", "failed"]
    assert len(explained(run(9, scorer_type=[]))) == 9
    # Both halves are refused, then the quarters are not.
    assert server.n_lines == [8, 4, 4, 2, 2, 2, 2]


def test_endpoint_without_batches_is_told_in_one_sentence(server: BatchServer, run: Explain) -> None:
    server.has_batches = False
    with pytest.raises(UserError, match=r'has no Batch API \(.*\); set auto_interp.mode = "direct"\.$'):
        run(3)
    assert server.requests == []


def test_wrong_key_is_one_error_and_no_batch(server: BatchServer, run: Explain) -> None:
    server.key = "right"
    with pytest.raises(UserError, match="refused the API key") as caught:
        run(50, openai_api_key="wrong-key")
    assert "wrong-key" not in str(caught.value)
    assert server.batches == {}


def test_progress_counts_prompts_and_features(run: Explain) -> None:
    steps: list[Step] = []
    run(3, scorer_type=["detection"], options={"progress": steps.append})
    assert [(step.what, step.done, step.unit) for step in steps] == [
        ("explanations", 0, "features"),
        ("batches", 0, "prompts"), ("batches", 4, "prompts"), ("explanations", 1, "features"),
        ("batches", 0, "prompts"), ("batches", 4, "prompts"), ("explanations", 2, "features"),
        ("explanations", 3, "features"),
    ]  # fmt: skip
    assert "the next one goes on" in steps[1].note


def test_two_runs_at_once_share_their_batches(server: BatchServer, tmp_path: Path) -> None:
    server.looks = 6
    cfg = AutoInterpConfig(openai_base_url=server.base_url)
    outcomes: dict[int, list[Outcome]] = {}
    runs = [
        threading.Thread(target=lambda n=n: outcomes.update({n: explain(cfg, tmp_path, range(6))})) for n in range(2)
    ]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()
    assert [len(explained(outcomes[n])) for n in range(2)] == [6, 6]
    assert len(set(server.prompts)) == len(server.prompts) == 30
