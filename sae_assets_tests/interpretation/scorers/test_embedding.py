"""The area under the ROC curve by vectors of a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.embeddings import Embedder
from sae_assets.interpretation.metered_embedder import MeteredEmbedder
from sae_assets.interpretation.records import FeatureExamples, Score
from sae_assets.interpretation.scorers import scorers_of
from sae_assets.interpretation.scorers.embedding import roc_auc
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.llm_server import LLMServer, status
from sae_assets_tests.interpretation.right_answer import free_port
from sae_assets_tests.interpretation.scorers.conftest import task_of

Compared = Callable[..., Score]
"""The embedding score of a feature, by an endpoint."""


def knowing(text: str, _n_dimensions: int) -> np.ndarray:
    """The word's axis, or the other."""
    return np.array([1, 0] if "cat" in text else [0, 1], np.float32)


def constant(_text: str, _n_dimensions: int) -> np.ndarray:
    return np.array([0.1, 0.2, 0.7], np.float32)


@pytest.fixture
def embeddings() -> Iterator[EmbeddingServer]:
    with EmbeddingServer(vector_of=knowing) as server:
        yield server


@pytest.fixture
def compared(config: Config, embeddings: EmbeddingServer) -> Compared:
    def compare(feature: FeatureExamples | None = None, url: str = embeddings.base_url, n_examples: int = 10) -> Score:
        embedding = EmbeddingConfig(model="m", base_url=url)
        cfg = config(scorer_type=["embedding"], embedding_n_examples=n_examples, embedding=embedding)
        embedder = MeteredEmbedder(Embedder(cfg.embedding, first_wait=0.01), cfg, Ledger())
        with LLMClient(cfg) as client, closing(scorers_of(cfg, lambda: embedder)) as scorers:
            return scorers["embedding"](task_of(feature or word_feature(), cfg), client)

    return compare


def test_vectors_that_know_get_one_and_no_language_model_is_asked(server: LLMServer, compared: Compared) -> None:
    score = compared()
    assert (score.value, score.n, score.n_unparsable, score.reason) == (1.0, 20, 0, None)
    assert server.requests == []


def test_vectors_that_are_all_the_same_get_a_half(embeddings: EmbeddingServer, compared: Compared) -> None:
    embeddings.vector_of = constant
    assert compared().value == 0.5


def test_vectors_that_are_wrong_get_nothing(embeddings: EmbeddingServer, compared: Compared) -> None:
    embeddings.vector_of = lambda text, _n: np.array([1, "cat" in text and " " in text[:1]], np.float32)
    assert compared().value == 0.0


def test_explanation_and_windows_for_scoring_go_in_one_request(embeddings: EmbeddingServer, compared: Compared) -> None:
    feature = word_feature()
    compared(feature, n_examples=4)
    ((explanation, *windows),) = embeddings.sent
    assert explanation == "the word cat"
    assert len(windows) == 8 and sum("cat" in text for text in windows) == 4
    assert all("<<" not in text for text in windows)


def test_window_that_is_refused_is_counted_and_left_out(embeddings: EmbeddingServer, compared: Compared) -> None:
    feature = word_feature()
    compared(feature)
    embeddings.refused = {embeddings.sent[0][1], embeddings.sent[0][-1]}
    score = compared(feature)
    assert (score.value, score.n, score.n_unparsable) == (1.0, 18, 2)


def test_refusal_of_what_is_needed_leaves_no_value(embeddings: EmbeddingServer, compared: Compared) -> None:
    embeddings.refused = {"the word cat"}
    assert (compared().value, compared().reason) == (None, "the embedding model refused the explanation")
    embeddings.refused = {window.text for window in word_feature().non_activating}
    score = compared()
    assert (score.value, score.reason) == (None, "the embedding model refused too many windows")
    assert (score.n, score.n_unparsable) == (10, 10)


def test_endpoint_that_fails_leaves_no_value_and_the_reason(embeddings: EmbeddingServer, compared: Compared) -> None:
    embeddings.fault_for = lambda _request: status(401, "wrong key")
    score = compared()
    assert score.value is None and "401" in str(score.reason)
    dead = compared(url=f"http://127.0.0.1:{free_port()}/v1")
    assert dead.value is None and "cannot be reached" in str(dead.reason)


@pytest.mark.parametrize(("n_activating", "n_silent", "kind"), [(1, 20, "positive"), (20, 0, "negative")])
def test_without_windows_nothing_is_sent(
    embeddings: EmbeddingServer, compared: Compared, n_activating: int, n_silent: int, kind: str
) -> None:
    score = compared(word_feature(n_activating=n_activating, n_silent=n_silent))
    assert (score.value, score.reason) == (None, f"there are no {kind} windows to score on")
    assert embeddings.sent == []


def test_model_of_the_settings_is_asked_where_none_is_given(embeddings: EmbeddingServer, config: Config) -> None:
    embedding = EmbeddingConfig(model="of the settings", base_url=embeddings.base_url)
    cfg = config(scorer_type=["detection", "embedding"], embedding=embedding)
    with LLMClient(cfg) as client, closing(scorers_of(cfg)) as scorers:
        assert list(scorers) == ["detection", "embedding"]
        assert scorers["embedding"](task_of(word_feature(), cfg), client).value == 1.0
    assert embeddings.requests[0].payload["model"] == "of the settings"


def test_no_embedding_model_is_one_sentence_and_only_where_one_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAE_ASSETS_EMBEDDING_MODEL", raising=False)
    with pytest.raises(UserError, match=r"SAE_ASSETS_EMBEDDING_MODEL"):
        scorers_of(AutoInterpConfig(scorer_type=["embedding"]))
    assert list(scorers_of(AutoInterpConfig(scorer_type=["detection"]))) == ["detection"]


SIMILARITIES = st.lists(st.sampled_from([-1.0, -0.25, 0.0, 0.5, 0.50000001, 1.0]) | st.floats(-1, 1), max_size=12)


@given(SIMILARITIES, SIMILARITIES)
def test_area_is_the_share_of_pairs_in_order_ties_as_halves(active: list[float], silent: list[float]) -> None:
    value = roc_auc(np.array(active), np.array(silent))
    if value is None:
        assert not active or not silent
    else:
        pairs = [(a > s) + (a == s) / 2 for a in active for s in silent]
        assert value == pytest.approx(sum(pairs) / len(pairs)) and 0 <= value <= 1
