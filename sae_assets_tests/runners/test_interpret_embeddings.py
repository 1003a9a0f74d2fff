"""Embedding scores of a real analysis: vectors are kept beside the answers, and paid by the run's budget."""

from typing import Any

import pytest

from sae_assets import UserError
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer, n_words_of
from sae_assets_tests.runners.explaining import FEW, estimate, explain, stored, story

A_TOKEN = 1e-6
"""US dollars."""


@pytest.fixture
def embedding(embeddings: EmbeddingServer) -> dict[str, Any]:
    """The settings of a run with an embedding score."""
    return {
        "scorer_type": ["embedding"],
        "embedding": {"model": "m", "base_url": embeddings.base_url},
        "prices": {"m": {"input": A_TOKEN * 1e6, "output": 0}},
    }


def test_no_text_is_embedded_twice_and_the_account_has_them_all(analysed, llm, embeddings, embedding):
    report = explain(analysed, llm, **embedding)
    n_requests = len(embeddings.requests)
    texts = [text for texts in embeddings.sent for text in texts]
    assert len(texts) == len(set(texts))
    assert report.spent.prompt_tokens == 100 * len(FEW) + n_words_of(texts)
    assert report.spent.cost == pytest.approx(65e-6 * len(FEW) + A_TOKEN * n_words_of(texts))
    scores = [score for one in stored(analysed) for score in story(analysed, one.index)[0].scores]
    assert sum(score["value"] is not None for score in scores) == n_requests > 0, "one a feature that has the windows"
    again = explain(analysed, llm, overwrite_existing=True, **embedding)
    assert again.n_explained == len(FEW)
    assert again.spent.requests == 0 and again.saved.prompt_tokens > 100 * len(FEW)
    assert len(embeddings.requests) == n_requests
    explain(analysed, llm, overwrite_existing=True, use_cache=False, **embedding)
    assert [text for texts in embeddings.sent[n_requests:] for text in texts] == texts


def test_cost_is_not_limited_where_the_price_of_vectors_is_unknown(analysed, llm, embeddings, embedding):
    with pytest.raises(UserError, match="nobody says what the embedding model 'm' costs"):
        explain(analysed, llm, max_cost=1.0, **embedding | {"prices": {}})
    assert llm.requests == embeddings.requests == []


def test_vectors_beyond_the_budget_leave_features_for_later(analysed, llm, embeddings, embedding):
    dear = embedding | {"prices": {"m": {"input": 1e6, "output": 0}}}
    report = explain(analysed, llm, max_cost=0.5, **dear)
    assert report.has_budget_ended and report.n_remaining > 0 and report.failures == ()
    assert embeddings.requests == []
    assert explain(analysed, llm, **embedding).n_explained == report.n_remaining
    assert len({request.prompt for request in llm.requests}) == len(llm.requests) == len(FEW)
    assert embeddings.requests != []


def test_estimate_has_the_texts_that_no_run_has_embedded(analysed, llm, embeddings, embedding):
    explain(analysed, llm, [1], **embedding)
    expected = estimate(analysed, FEW, **embedding)
    n_before = sum(map(len, embeddings.sent))
    explain(analysed, llm, FEW, **embedding)
    # What the explanations will be is not known yet; here some are the same.
    assert sum(map(len, embeddings.sent)) - n_before <= expected.n_embedded_texts + 2
    assert expected.embedding_cost == pytest.approx(A_TOKEN * expected.embedding_tokens)
    again = estimate(analysed, FEW, overwrite_existing=True, **embedding)
    assert (again.n_embedded_texts, again.embedding_tokens, again.cost) == (0, 0, 0)
    assert estimate(analysed, FEW, overwrite_existing=True, use_cache=False, **embedding).n_embedded_texts > 0
