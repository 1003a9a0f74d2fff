"""A dry run says what the run will ask, asks nothing itself, and needs no endpoint."""

import pytest

from sae_assets import UserError
from sae_assets.engine.progress import silent
from sae_assets.runners.interpretation_estimate import estimate_features
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.project import D_SAE, DEAD, TinyProject
from sae_assets_tests.runners.explaining import FEW, estimate, explain, settings_of, stored
from sae_assets_tests.runners.published import document_counts, files_of

N_ALIVE = D_SAE - 1
PRICE = {"gpt-3.5-turbo": {"input": 10, "output": 100}}


def test_estimate_counts_exactly_the_requests_of_the_run(analysed: TinyProject, llm: LLMServer):
    scorers = ["detection", "fuzzing", "simulation", "intruder", "saebench"]
    expected = estimate(analysed, None, scorer_type=scorers)
    assert llm.requests == [] and stored(analysed) == []
    assert (expected.n_features, expected.n_tried, expected.n_kept) == (N_ALIVE, N_ALIVE, 0)
    # With the cache, two features of the same explanation and the same window are asked about once.
    explain(analysed, llm, None, scorer_type=scorers, use_cache=False)
    assert expected.n_requests == len(llm.requests)
    assert expected.n_from_cache == 0


def test_dry_run_changes_nothing(analysed: TinyProject, llm: LLMServer):
    with analysed.store() as store:
        before = document_counts(store), files_of(analysed.data.checkpoint("tiny", "sae-l0").path)
        estimate(analysed, None)
        assert (document_counts(store), files_of(analysed.data.checkpoint("tiny", "sae-l0").path)) == before
    assert not analysed.data.answers.exists()


def test_what_the_cache_knows_is_free(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm, [1, 4])
    n_known = len(llm.requests)
    expected = estimate(analysed, FEW, overwrite_existing=True)
    assert expected.n_from_cache == n_known and expected.n_requests > 0
    explain(analysed, llm, [9])
    assert expected.n_requests == len(llm.requests) - n_known
    expected = estimate(analysed, FEW, overwrite_existing=True)
    assert (expected.n_requests, expected.prompt_tokens, expected.cost) == (0, 0, 0)
    without = estimate(analysed, FEW, overwrite_existing=True, use_cache=False)
    assert (without.n_requests, without.n_from_cache) == (len(llm.requests), 0)


def test_what_is_explained_is_kept_and_costs_nothing(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm)
    expected = estimate(analysed)
    assert (expected.n_features, expected.n_kept, expected.n_requests, expected.cost) == (0, 3, 0, 0)


def test_lengths_are_learned_from_what_was_explained_before(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm, "0-19")
    n_before = len(llm.requests)
    expected = estimate(analysed, None, prices=PRICE)
    explain(analysed, llm, None)
    n_requests = len(llm.requests) - n_before
    assert expected.n_requests == n_requests
    assert expected.prompt_tokens == pytest.approx(100 * n_requests, rel=0.1)
    assert expected.completion_tokens == 10 * n_requests
    assert expected.cost == pytest.approx(n_requests * 0.002, rel=0.1)


def test_cost_is_that_of_the_price_table_and_a_batch_costs_half(analysed: TinyProject):
    direct, batch = (estimate(analysed, None, prices=PRICE, mode=mode) for mode in ("direct", "batch"))
    assert direct.cost == pytest.approx((direct.prompt_tokens * 10 + direct.completion_tokens * 100) / 1e6)
    assert batch.cost == pytest.approx((direct.cost or 0) / 2) and batch.is_batch
    assert estimate(analysed, None, openai_model="nobody-knows").cost is None


def test_budget_that_is_too_small_is_told(analysed: TinyProject):
    assert estimate(analysed, None).is_within_budget
    assert estimate(analysed, None, max_tokens=10**9, max_cost=1000).is_within_budget
    assert not estimate(analysed, None, max_tokens=100).is_within_budget
    assert not estimate(analysed, None, max_cost=1e-6).is_within_budget


def test_part_of_the_features_is_scaled_up_to_all(analysed: TinyProject):
    exact = estimate(analysed, None)
    with analysed.store() as store:
        some = estimate_features(settings_of(analysed, None, None), store, analysed.data, silent, most_tried=21)
    assert (some.n_features, some.n_tried) == (N_ALIVE, 21)
    assert some.n_requests % 3 == 0
    assert some.n_requests == pytest.approx(exact.n_requests, rel=0.1)
    assert some.prompt_tokens == pytest.approx(exact.prompt_tokens, rel=0.2)


def test_texts_to_embed_are_counted_apart_and_need_no_model(analysed: TinyProject):
    expected = estimate(analysed, FEW, scorer_type=["embedding"])
    assert expected.n_requests == 3
    assert 3 + 3 <= expected.n_embedded_texts <= 3 * 21
    assert expected.embedding_tokens > expected.n_embedded_texts and expected.embedding_cost is None
    assert not estimate(
        analysed, FEW, scorer_type=["embedding"], max_tokens=expected.prompt_tokens + 600
    ).is_within_budget
    free = {"sentence_model": "nowhere"}
    assert estimate(analysed, FEW, scorer_type=["embedding"], embedding=free).embedding_cost == 0


def test_dead_feature_asks_nothing(analysed: TinyProject):
    expected = estimate(analysed, [DEAD])
    assert (expected.n_features, expected.n_unexplainable, expected.n_requests) == (1, 1, 0)


def test_mistake_is_the_same_sentence_as_of_the_run(analysed: TinyProject):
    with pytest.raises(UserError, match="There is no feature 64 in 'tiny/sae-l0/default'"):
        estimate(analysed, [64])
    with pytest.raises(UserError, match="generation"):
        estimate(analysed, [1], scorer_type=["generation"])
