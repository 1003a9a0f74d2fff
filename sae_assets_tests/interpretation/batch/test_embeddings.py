"""Embedding scores in a run by batches: asked for directly, once, although every round comes to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.batch.rounds import interpret_in_batches
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.embedders import open_embedder
from sae_assets.interpretation.pricing import price_for
from sae_assets.interpretation.records import FeatureExplanation, Usage
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer, n_words_of
from sae_assets_tests.interpretation.features import word_feature


@pytest.mark.parametrize("use_cache", [True, False])
def test_vectors_are_asked_for_once_in_all_rounds(
    server: BatchServer, embeddings: EmbeddingServer, tmp_path: Path, use_cache: bool
) -> None:
    cfg = AutoInterpConfig(
        openai_base_url=server.base_url,
        mode="batch",
        use_cache=use_cache,
        scorer_type=["embedding", "detection"],
        embedding=EmbeddingConfig(model="text-embedding-3-small", base_url=embeddings.base_url),
    )
    ledger, path = Ledger(price_for(cfg), max_cost=10.0, max_tokens=10**6), tmp_path / "answers.sqlite"
    with (
        LLMClient(cfg, first_wait=0.01) as client,
        AnswerCache(path) as cache,
        VectorCache(path, only_new=not use_cache) as vectors,
    ):
        outcomes = list(
            interpret_in_batches(
                lambda: (word_feature(index) for index in range(3)),
                cfg,
                client,
                cache,
                ledger,
                tmp_path / "batches.sqlite",
                first_wait=0.01,
                embedder=lambda: open_embedder(cfg, ledger, vectors),
            )
        )
    explanations = [outcome for outcome in outcomes if isinstance(outcome, FeatureExplanation)]
    assert len(explanations) == 3
    assert len(server.batches) >= 2, "rounds after the first come to the embedding score again"
    texts = [text for texts in embeddings.sent for text in texts]
    assert len(texts) == len(set(texts))
    n_asked = len(set(server.prompts))
    assert ledger.spent.prompt_tokens == 100 * n_asked + n_words_of(texts)
    assert ledger.saved == Usage(), "this run paid for all of it"
    assert all(explanation.usage.n_from_cache == 0 for explanation in explanations)
