"""A run pays no more than it may, says what is left, and the next one goes on without paying anything twice."""

import pytest

from sae_assets import UserError
from sae_assets.interpretation.records import Usage
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.project import D_SAE, TinyProject
from sae_assets_tests.runners.explaining import explain, stored, story

TOKENS = 110
"""What the server counts for each request: 100 of the prompt, 10 of the answer."""
PRICE = {"gpt-3.5-turbo": {"input": 10, "output": 100}}
COST = 0.002
"""US dollars for each request by this price."""
N_ALIVE = D_SAE - 1
N_WORKERS = 4
"""As many requests are under way at most, and the server's counts are not what one would expect of their lengths."""
OF_A_FEATURE = 5
"""Requests for a feature at most; what does not suffice for one is left."""


def asked_once(llm: LLMServer) -> bool:
    prompts = [request.prompt for request in llm.requests]
    return len(prompts) == len(set(prompts))


def test_tokens_bound_a_run_and_the_next_one_goes_on(analysed: TinyProject, llm: LLMServer):
    first = explain(analysed, llm, None, max_tokens=10_000, max_workers=N_WORKERS)
    n_first = len(llm.requests)
    assert 10_000 - 2 * OF_A_FEATURE * TOKENS < n_first * TOKENS < 10_000 + N_WORKERS * TOKENS
    assert first.spent[:3] == (n_first, n_first * 100, n_first * 10)
    assert first.has_budget_ended and first.failures == ()
    assert 0 < first.n_explained == len(stored(analysed)) == N_ALIVE - first.n_remaining
    assert first.sentence.endswith(
        f"; the budget of 10,000 tokens ended: {first.n_remaining} remain, run it again to go on."
    )
    second = explain(analysed, llm, None, max_tokens=10_000_000)
    assert not second.has_budget_ended and second.n_remaining == 0
    assert (second.n_kept, second.n_explained) == (first.n_explained, first.n_remaining)
    assert first.spent.requests + second.spent.requests == len(llm.requests)
    assert asked_once(llm)


def test_cost_bounds_a_run(analysed: TinyProject, llm: LLMServer):
    report = explain(analysed, llm, None, max_cost=0.1, prices=PRICE, max_workers=N_WORKERS)
    assert report.spent.cost == pytest.approx(len(llm.requests) * COST)
    assert 0.1 - 2 * OF_A_FEATURE * COST < len(llm.requests) * COST < 0.1 + N_WORKERS * COST
    assert report.has_budget_ended and report.n_explained + report.n_remaining == N_ALIVE
    assert "the budget of $0.10 ended: " in report.sentence


def test_budget_too_small_for_anything_asks_nothing_and_everything_remains(analysed: TinyProject, llm: LLMServer):
    report = explain(analysed, llm, max_tokens=1)
    assert (report.n_explained, report.n_remaining, report.failures) == (0, 3, ())
    assert llm.requests == [] and stored(analysed) == []
    assert report.sentence == ("0 features explained; the budget of 1 tokens ended: 3 remain, give it a higher one.")


def test_ample_budget_changes_nothing(analysed: TinyProject, llm: LLMServer):
    report = explain(analysed, llm, max_tokens=10**9, max_cost=1000)
    assert (report.n_explained, report.n_remaining, report.has_budget_ended) == (3, 0, False)


def test_answers_of_the_cache_cost_no_budget(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm)
    n_requests = len(llm.requests)
    report = explain(analysed, llm, overwrite_existing=True, max_tokens=1)
    assert (report.n_explained, report.has_budget_ended, report.spent) == (3, False, Usage())
    assert report.saved[:3] == (n_requests, 100 * n_requests, 10 * n_requests)
    assert len(llm.requests) == n_requests
    assert report.sentence == f"3 features explained, {n_requests} answers came from the cache."


def test_cost_of_a_feature_is_stored_with_it(analysed: TinyProject, llm: LLMServer):
    report = explain(analysed, llm, prices=PRICE)
    costs = [story(analysed, index)[0].usage["cost"] for index in (1, 4, 9)]
    assert sum(costs) == pytest.approx(report.spent.cost) and min(costs) > 0
    (version,) = story(analysed, 4)
    n_requests = version.usage["requests"]
    assert version.usage["cost"] == pytest.approx(n_requests * COST)
    assert sum(score["usage"]["requests"] for score in version.scores) == n_requests - 1


def test_limit_of_cost_without_a_price_is_one_sentence(analysed: TinyProject, llm: LLMServer):
    with pytest.raises(UserError, match=r"max_cost .*'nobody-knows'.*auto_interp.prices"):
        explain(analysed, llm, openai_model="nobody-knows", max_cost=1)
    assert len(llm.requests) <= 1 and stored(analysed) == []
