"""The budget of a run by batches."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.interpret import Outcome
from sae_assets.interpretation.pricing import price_for
from sae_assets.interpretation.records import FeatureExamples, FeatureExplanation
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.batch.conftest import Explain
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import Fault, Request, body

MODEL = "gpt-4o"


def n_explained(outcomes: list[Outcome]) -> int:
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes)
    return len(outcomes)


def test_features_that_are_begun_are_also_scored(server: BatchServer, run: Explain) -> None:
    ledger = Ledger(max_tokens=25_000)
    n = n_explained(run(40, ledger=ledger))
    assert 0 < n < 40
    assert ledger.has_ended
    assert len(server.requests) == 5 * n
    assert ledger.spent.prompt_tokens + ledger.spent.completion_tokens == 110 * 5 * n <= 25_000


def test_next_run_with_more_money_goes_on(server: BatchServer, run: Explain) -> None:
    run(12, ledger=Ledger(max_tokens=10_000))
    assert 0 < len(server.requests) < 60
    assert n_explained(run(12)) == 12
    assert len(set(server.prompts)) == len(server.prompts) == 60


def test_cost_is_bounded_at_the_price_of_a_batch(run: Explain) -> None:
    price = price_for(AutoInterpConfig(openai_model=MODEL))
    explained = []
    for max_cost in (0.03, 0.06):
        ledger = Ledger(price, MODEL, max_cost=max_cost)
        explained.append(n_explained(run(60, ledger=ledger, openai_model=MODEL, use_cache=False)))
        assert ledger.has_ended
        assert ledger.spent.cost is not None and ledger.spent.cost <= max_cost
    assert 0 < explained[0] < explained[1] < 60


def test_budget_that_is_enough_does_not_end(run: Explain) -> None:
    ledger = Ledger(max_tokens=1_000_000)
    assert n_explained(run(5, ledger=ledger)) == 5
    assert not ledger.has_ended


def test_budget_for_nothing_sends_nothing(server: BatchServer, run: Explain) -> None:
    ledger = Ledger(max_tokens=10)
    assert run(5, ledger=ledger) == []
    assert ledger.has_ended
    assert server.requests == []


def test_cost_without_a_price_is_refused_before_anything_is_sent(server: BatchServer, run: Explain) -> None:
    with pytest.raises(UserError, match=r"max_cost cannot be kept.*auto_interp\.prices"):
        run(3, ledger=Ledger(None, "mystery", max_cost=1.0), openai_model="mystery")
    assert server.requests == []


def test_broken_feature_is_listed_as_without_a_budget(run: Explain) -> None:
    def feature(index: int) -> FeatureExamples:
        return FeatureExamples(1, 1.0, None, []) if index == 1 else word_feature(index)  # type: ignore[arg-type]

    outcomes = run(3, ledger=Ledger(max_tokens=1_000_000), options={"feature": feature})
    assert [getattr(outcome, "kind", "explained") for outcome in outcomes] == ["explained", "unexpected", "explained"]


def test_scores_that_take_more_than_foreseen_are_cut_and_given_by_the_next_run(
    server: BatchServer, run: Explain
) -> None:
    def long_verdicts(request: Request) -> Fault | None:
        if request.ask.kind == "explaining":
            return None
        message = {"role": "assistant", "content": '{"steps": [], "verdicts": [true, true, true, true, true]}'}
        usage = {"prompt_tokens": 100, "completion_tokens": 2000}
        return body(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}))

    server.fault_for = long_verdicts
    ledger = Ledger(max_tokens=60_000)
    n = n_explained(run(60, ledger=ledger))
    assert ledger.spent.prompt_tokens + ledger.spent.completion_tokens <= 60_000
    kinds = Counter(request.ask.kind for request in server.requests)
    assert 1 < n <= kinds["detection"] // 2 < kinds["explaining"]
    assert n_explained(run(60)) == 60
    assert len(set(server.prompts)) == len(server.prompts) == 300
