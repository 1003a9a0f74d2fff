"""Which features a budget begins, by the server's own count: what is begun is finished."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.interpret import Outcome, interpret_features
from sae_assets.interpretation.records import FeatureExplanation
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.prices import ModelPrice
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import Fault, LLMServer, Request, body
from sae_assets_tests.interpretation.questions import metered

A_TOKEN = 1e-6
"""US dollars, of prompts and answers alike."""
PRICE = ModelPrice(input=1, output=1)


def counted(server: LLMServer, n_answer: int = 60, cost_of: float | None = None) -> None:
    """Lets the server count the tokens of prompts as most models do; those of judgements as given.

    Args:
        cost_of: US dollars for a token, which the endpoint then reports itself.
    """

    def fault_for(request: Request) -> Fault:
        message = {"role": "assistant", "content": json.dumps({"steps": ["look"], **server.judge(request.ask)})}
        n_prompt, n_said = len(request.prompt) // 4, 60 if request.ask.kind == "explaining" else n_answer
        usage: dict[str, float] = {"prompt_tokens": n_prompt, "completion_tokens": n_said}
        if cost_of is not None:
            usage["cost"] = cost_of * (n_prompt + n_said)
        return body(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}))

    server.fault_for = fault_for


def run(cfg: AutoInterpConfig, folder: Path, ledger: Ledger, n: int, max_workers: int = 10) -> list[Outcome]:
    llm = metered(cfg, ledger, folder / "answers.sqlite")
    features = (word_feature(index) for index in range(n))
    return list(interpret_features(features, cfg, llm, ledger=ledger, max_workers=max_workers))


def n_tokens(ledger: Ledger) -> int:
    return ledger.spent.prompt_tokens + ledger.spent.completion_tokens


def assert_nothing_half_done(server: LLMServer, outcomes: list[Outcome]) -> None:
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes)
    assert Counter(request.ask.kind for request in server.requests) == {
        kind: n * len(outcomes) for kind, n in {"explaining": 1, "detection": 2, "fuzzing": 2}.items() if outcomes
    }


@pytest.fixture
def feature_tokens(server: LLMServer, config: Config, tmp_path: Path) -> int:
    """What a feature takes."""
    counted(server)
    ledger = Ledger()
    run(config(), tmp_path / "alone", ledger, 4)
    server.requests.clear()
    return n_tokens(ledger) // 4


@pytest.mark.parametrize("max_workers", [1, 3, 10])
@pytest.mark.parametrize("n_fitting", [1.0, 2.5, 3.5, 6.5])
def test_small_budget_explains_what_it_can_and_leaves_nothing_half_done(
    server: LLMServer, config: Config, tmp_path: Path, feature_tokens: int, n_fitting: float, max_workers: int
) -> None:
    limit = int(n_fitting * feature_tokens)
    ledger = Ledger(max_tokens=limit)
    server.latency = 0.005
    outcomes = run(config(), tmp_path, ledger, 11, max_workers)
    assert_nothing_half_done(server, outcomes)
    # As long as nothing is known of the model, a feature is taken for dearer than it is.
    assert len(outcomes) == int(n_fitting) if n_fitting > 2 else len(outcomes) == 0
    assert ledger.has_ended
    assert ledger.spent.requests == len(server.requests) == 5 * len(outcomes)
    assert n_tokens(ledger) <= limit
    assert len(run(config(), tmp_path, Ledger(), 11)) == 11
    assert len({request.prompt for request in server.requests}) == len(server.requests) == 55


@pytest.mark.parametrize("reports_cost", [False, True])
def test_cost_is_bounded_likewise_whoever_says_it(
    server: LLMServer, config: Config, tmp_path: Path, feature_tokens: int, reports_cost: bool
) -> None:
    counted(server, cost_of=A_TOKEN if reports_cost else None)
    cfg = config(openai_model="m", prices={} if reports_cost else {"m": PRICE})
    ledger = Ledger(None if reports_cost else PRICE, "m", max_cost=3.5 * feature_tokens * A_TOKEN)
    outcomes = run(cfg, tmp_path, ledger, 11)
    assert_nothing_half_done(server, outcomes)
    assert len(outcomes) == 3
    assert ledger.spent.cost == pytest.approx(n_tokens(ledger) * A_TOKEN)


def test_feature_half_done_by_an_earlier_run_takes_only_the_rest(
    server: LLMServer, config: Config, tmp_path: Path, feature_tokens: int
) -> None:
    run(config(scorer_type=["detection"]), tmp_path, Ledger(), 11)
    server.requests.clear()
    ledger = Ledger(max_tokens=int(3.5 * feature_tokens))
    outcomes = run(config(), tmp_path, ledger, 11)
    assert {request.ask.kind for request in server.requests} == {"fuzzing"}
    assert len(server.requests) == 2 * len(outcomes)
    assert len(outcomes) > 6


def test_ample_budget_bounds_no_feature(server: LLMServer, config: Config, tmp_path: Path) -> None:
    ledger = Ledger(max_tokens=10**9)
    assert len(run(config(), tmp_path, ledger, 30)) == 30
    assert not ledger.has_ended


def test_first_feature_teaches_how_long_answers_are(server: LLMServer, config: Config, tmp_path: Path) -> None:
    counted(server, n_answer=2000)
    ledger = Ledger(max_tokens=50_000)
    outcomes = run(config(), tmp_path, ledger, 40)
    assert_nothing_half_done(server, outcomes)
    assert len(outcomes) == 4
    assert n_tokens(ledger) <= 50_000


def test_features_that_take_more_than_was_put_aside_are_cut_and_finished_by_the_next_run(
    server: LLMServer, config: Config, tmp_path: Path
) -> None:
    counted(server)
    run(config(), tmp_path, ledger := Ledger(max_tokens=50_000), 1)
    n_first = n_tokens(ledger)

    def longer_by_and_by(request: Request) -> Fault | None:
        counted(server, 60 if len(server.requests) <= 10 else 3000)
        return server.fault_for(request)

    server.fault_for = longer_by_and_by
    server.latency = 0.01
    ledger = Ledger(max_tokens=50_000)
    outcomes = run(config(), tmp_path, ledger, 40)
    assert ledger.has_ended
    assert all(isinstance(outcome, FeatureExplanation) for outcome in outcomes)
    # Ten requests are under way at most, and each may take what nobody could foresee.
    assert n_first < n_tokens(ledger) < 50_000 + 10 * 3000
    assert len(run(config(), tmp_path, Ledger(), 40)) == 40
    prompts = [request.prompt for request in server.requests]
    assert len(set(prompts)) == len(prompts) == 200
