"""Vectors for scores against a real server: asked for once, counted, and paid within the budget."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_assets.interpretation.allotments import Amount
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.asking import BudgetEndedError
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.embedders import TextEmbedder, open_embedder
from sae_assets.interpretation.embeddings import BATCH, EmbeddingError, RefusedError
from sae_assets.interpretation.interpret import interpret_features
from sae_assets.interpretation.metered import MeteredLLM
from sae_assets.interpretation.records import FeatureExplanation, Usage
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.settings.prices import ModelPrice
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer, meaning, n_words_of
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import explanation, marked_word_judge
from sae_assets_tests.interpretation.llm_server import LLMServer, status

TEXTS = ["a cat", "seven digits in a sum", "python", ""]
A_TOKEN = 2e-6
"""US dollars."""
FREE = ModelPrice(input=0, output=0)
Open = Callable[..., TextEmbedder]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


@pytest.fixture
def opened(embeddings: EmbeddingServer, path: Path) -> Iterator[Open]:
    """Opens the embedder of a run of its own, which shares the file with the others."""
    runs: list[TextEmbedder | VectorCache] = []

    def open_(ledger: Ledger | None = None, *, only_new: bool = False, **settings: Any) -> TextEmbedder:
        cfg = priced(embeddings, **settings)
        vectors = VectorCache(path, only_new=only_new)
        runs.extend([vectors, open_embedder(cfg, ledger, vectors)])
        return runs[-1]  # type: ignore[return-value]

    yield open_
    for one in reversed(runs):
        one.close()


def priced(embeddings: EmbeddingServer, model: str = "m", **settings: Any) -> AutoInterpConfig:
    embedding = EmbeddingConfig(model=model, base_url=embeddings.base_url)
    prices = {"m": ModelPrice(input=A_TOKEN * 1e6, output=0), "gpt-3.5-turbo": FREE}
    return AutoInterpConfig(**{"embedding": embedding, "prices": prices, **settings})


def taken(requests: int, n_tokens: int, n_from_cache: int = 0) -> Usage:
    """The usage of so many tokens at the price of `priced`."""
    cost: Any = pytest.approx(n_tokens * A_TOKEN)
    return Usage(requests, n_tokens, cost=cost, n_from_cache=n_from_cache)


def n_sent(embeddings: EmbeddingServer) -> int:
    return sum(map(len, embeddings.sent))


def unit(texts: list[str]) -> np.ndarray:
    vectors = np.stack([meaning(text) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_second_run_sends_nothing_and_says_what_it_took_at_first(embeddings: EmbeddingServer, opened: Open) -> None:
    first, second = Ledger(), Ledger()
    vectors, usage = opened(first).embed(TEXTS)
    np.testing.assert_allclose(vectors, unit(TEXTS), rtol=1e-5)
    n_tokens = n_words_of(TEXTS)
    assert usage == taken(1, n_tokens)
    again, usage_again = opened(second).embed(TEXTS)
    np.testing.assert_array_equal(again, vectors)
    assert embeddings.sent == [TEXTS]
    assert usage_again == taken(1, n_tokens, n_from_cache=1)
    assert (first.spent, first.saved) == (usage, Usage())
    assert (second.spent, second.saved) == (Usage(), usage_again)


def test_what_is_missing_goes_in_one_request_each_text_once(embeddings: EmbeddingServer, opened: Open) -> None:
    embedder, ledger = opened(), Ledger()
    embedder.embed(["cat", "dog"])
    texts = ["dog", "loop", "code", "loop", "cat"]
    vectors, usage = opened(ledger).embed(texts)
    np.testing.assert_allclose(vectors, unit(texts), rtol=1e-5)
    assert embeddings.sent == [["cat", "dog"], ["loop", "code"]]
    assert usage == taken(2, 4, n_from_cache=1)
    assert ledger.spent == taken(1, 2)


def test_cache_can_be_passed_over_but_not_within_a_run(embeddings: EmbeddingServer, opened: Open) -> None:
    opened().embed(TEXTS)
    embedder = opened(only_new=True)
    for _ in range(2):
        embedder.embed(TEXTS)
    assert embeddings.sent == [TEXTS, TEXTS]


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"total_tokens": 7}, taken(1, 7)),
        ({"prompt_tokens": 7, "total_tokens": 7, "cost": 0.5}, Usage(1, 7, cost=0.5)),
        ({}, Usage(1)),
        (None, Usage(1)),
        ({"prompt_tokens": "many", "cost": "dear"}, Usage(1)),
    ],
)
def test_usage_is_what_the_endpoint_says(embeddings: EmbeddingServer, opened: Open, said: Any, usage: Usage) -> None:
    embeddings.usage_of = lambda _texts: said
    assert opened().embed(TEXTS).usage == usage
    assert opened().embed(TEXTS).usage == usage._replace(n_from_cache=1)


def test_texts_of_several_features_at_once_are_asked_for_once(embeddings: EmbeddingServer, opened: Open) -> None:
    embeddings.latency = 0.05
    shared = [f"silent window {number}" for number in range(5)]
    ledger = Ledger()
    embedder = opened(ledger)
    with ThreadPoolExecutor(8) as pool:
        features = [[f"explanation {number}", *shared] for number in range(8)]
        for texts, embedded in zip(features, pool.map(embedder.embed, features), strict=True):
            np.testing.assert_allclose(embedded.vectors, unit(texts), rtol=1e-5)
    assert n_sent(embeddings) == 8 + 5
    assert ledger.spent.prompt_tokens == 8 * 2 + 5 * 3


def test_one_that_waits_for_anothers_request_asks_itself_where_that_fails(
    embeddings: EmbeddingServer, opened: Open
) -> None:
    has_come, may_go = threading.Event(), threading.Event()

    def fault(reply: Any) -> None:
        has_come.set()
        may_go.wait(10)
        status(401, "no")(reply)

    embeddings.faults = [fault]
    embedder = opened()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(embedder.embed, TEXTS)
        has_come.wait(10)
        second = pool.submit(embedder.embed, TEXTS)
        assert not wait([second], timeout=0.1).done
        may_go.set()
        assert isinstance(first.exception(timeout=10), EmbeddingError)
        np.testing.assert_allclose(second.result(timeout=10).vectors, unit(TEXTS), rtol=1e-5)


def test_refused_text_is_not_sent_again_and_costs_nothing(embeddings: EmbeddingServer, opened: Open) -> None:
    embeddings.refused = {"python"}
    ledger = Ledger()
    for run in range(2):
        vectors, usage = opened(ledger).embed(TEXTS)
        assert [bool(np.linalg.norm(vector)) for vector in vectors] == [True, True, False, True]
        assert usage.prompt_tokens == n_words_of(TEXTS) - 1
        assert run == 0 or usage.requests == usage.n_from_cache == 1
    n_requests = len(embeddings.requests)
    assert ledger.spent.prompt_tokens == n_words_of(TEXTS) - 1
    assert ledger.spent.requests < n_requests, "refused requests are not paid for"
    opened().embed(TEXTS)
    assert len(embeddings.requests) == n_requests


def test_refusal_of_everything_is_an_error_that_is_not_remembered(embeddings: EmbeddingServer, opened: Open) -> None:
    embeddings.refused = set(TEXTS)
    ledger = Ledger(max_tokens=1000)
    with pytest.raises(RefusedError, match="text too long"):
        opened(ledger).embed(TEXTS)
    assert ledger.spent == Usage()
    embeddings.refused = set()
    np.testing.assert_allclose(opened(ledger).embed(TEXTS).vectors, unit(TEXTS), rtol=1e-5)


def test_refusal_of_all_that_is_missing_leaves_the_rest(embeddings: EmbeddingServer, opened: Open) -> None:
    opened().embed(["cat"])
    embeddings.refused = {"python"}
    vectors = opened().embed(["cat", "python"]).vectors
    np.testing.assert_allclose(vectors, [*unit(["cat"]), np.zeros(8)], rtol=1e-5)


def test_what_arrived_before_a_failure_is_kept_and_paid(embeddings: EmbeddingServer, opened: Open) -> None:
    texts = [f"window {number}" for number in range(BATCH + 4)]
    embeddings.fault_for = lambda request: status(401, "no") if len(request.payload["input"]) < BATCH else None
    ledger = Ledger()
    with pytest.raises(EmbeddingError):
        opened(ledger).embed(texts)
    assert ledger.spent.prompt_tokens == 2 * BATCH
    embeddings.fault_for = lambda _request: None
    usage = opened(ledger).embed(texts).usage
    assert embeddings.sent == [texts[:BATCH], texts[BATCH:], texts[BATCH:]]
    assert usage[:2] == (2, 2 * len(texts))
    assert ledger.spent.prompt_tokens == 2 * len(texts)


def test_another_model_of_the_same_name_is_asked_for_all_texts(embeddings: EmbeddingServer, opened: Open) -> None:
    opened().embed(["cat", "dog"])
    embeddings.n_dimensions = 5
    assert opened().embed(["cat", "loop", "dog"]).vectors.shape == (3, 5)
    assert opened().embed(["cat", "dog"]).vectors.shape == (2, 5)
    assert embeddings.sent == [["cat", "dog"], ["loop"], ["cat", "loop", "dog"]]


def test_no_texts_have_no_vectors(embeddings: EmbeddingServer, opened: Open) -> None:
    vectors, usage = opened().embed([])
    assert (vectors.shape, usage, embeddings.sent) == ((0, 0), Usage(), [])


def test_cut_of_the_budget_is_before_the_request(embeddings: EmbeddingServer, opened: Open) -> None:
    for ledger in (Ledger(max_tokens=10), Ledger(max_cost=10 * A_TOKEN)):
        embedder = opened(ledger)
        embedder.embed(["one two three four"])
        with pytest.raises(BudgetEndedError, match="does not allow another request"):
            embedder.embed([" five six seven" * 5])
        assert ledger.has_ended
        assert ledger.spent.prompt_tokens in (0, 4)
        assert embedder.embed(["one two three four"]).usage.n_from_cache == 1, "what is known costs nothing"
    assert embeddings.sent == [["one two three four"]]


def test_endpoint_that_counts_no_tokens_is_charged_as_estimated(embeddings: EmbeddingServer, opened: Open) -> None:
    embeddings.usage_of = lambda _texts: {}
    ledger = Ledger(max_tokens=100)
    embedder = opened(ledger)
    with pytest.raises(BudgetEndedError):
        for number in range(100):
            embedder.embed([f"{number:030}"])
    assert len(embeddings.requests) == 10


def test_price_must_be_known_where_the_cost_is_limited(opened: Open) -> None:
    with pytest.raises(UserError, match=r"the embedding model 'm' costs; add it to auto_interp\.prices \(with input"):
        opened(Ledger(max_cost=1), prices={})
    assert opened(Ledger(max_cost=1e-9), prices={"m": FREE}).embed(TEXTS).usage.cost == 0
    assert opened(Ledger(max_tokens=1000), prices={}).embed(["mouse"]).usage == Usage(1, 1)


def test_vectors_teach_the_ledger_nothing_about_the_language_model() -> None:
    ledger = Ledger(max_cost=1.0)
    ledger.settle(ledger.reserve_texts(Amount(1000)), Usage(1, 1000, cost=0.0))
    # Nobody has said yet what the language model costs, and nobody has failed to.
    assert ledger.spent == Usage(1, 1000, cost=0.0)
    assert ledger.reserve_texts(Amount(10, 0.5)).amount.cost == 0.5


def test_batch_being_collected_is_never_waited_for(embeddings: EmbeddingServer, opened: Open) -> None:
    ledger = Ledger(max_tokens=100)
    collected = ledger.reserve_texts(Amount(90))
    embedder = opened(ledger, mode="batch")
    with pytest.raises(BudgetEndedError):
        embedder.embed(["a long text " * 5])
    ledger.settle(collected, Usage(1, 5))
    # When the answers of the batch have taken less, the feature's turn comes.
    assert embedder.embed(["a long text " * 5]).usage == taken(1, 15)
    later_round = embedder.embed(["a long text " * 5])
    assert later_round.usage == taken(1, 15)
    assert (ledger.spent.prompt_tokens, ledger.saved) == (20, Usage())
    assert len(embeddings.requests) == 1


KILLED = """
import sys
from pathlib import Path
from sae_assets.interpretation.embedders import open_embedder
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.embedding import EmbeddingConfig
cfg = AutoInterpConfig(embedding=EmbeddingConfig(model="m", base_url=sys.argv[1]))
embedder = open_embedder(cfg, None, VectorCache(Path(sys.argv[2])))
for number in range(3):
    embedder.embed([f"explanation {number}", f"window {number}", "silence"])
    print(number, flush=True)
input()
"""


def test_killed_run_has_what_arrived(embeddings: EmbeddingServer, opened: Open, path: Path) -> None:
    command = [sys.executable, "-c", KILLED, embeddings.base_url, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        process.kill()
    embedder = opened()
    for number in range(4):
        embedder.embed([f"explanation {number}", f"window {number}", "silence"])
    sent = [text for texts in embeddings.sent for text in texts]
    assert len(sent) == len(set(sent)) == 4 + 4 + 1


def interpreted(
    server: LLMServer, embeddings: EmbeddingServer, path: Path, ledger: Ledger, n: int = 4, max_workers: int = 2
) -> list[FeatureExplanation]:
    """Features with an embedding score, in a run of their own."""
    cfg = priced(embeddings, openai_base_url=server.base_url, scorer_type=["detection", "embedding"])
    with AnswerCache(path) as cache, VectorCache(path) as vectors:
        outcomes = interpret_features(
            [word_feature(index) for index in range(n)],
            cfg,
            MeteredLLM(LLMClient(cfg), cfg, ledger, cache),
            ledger=ledger,
            max_workers=max_workers,
            embedder=lambda: open_embedder(cfg, ledger, vectors),
        )
        with closing(outcomes):
            return [outcome for outcome in outcomes if isinstance(outcome, FeatureExplanation)]


def test_explained_again_no_text_is_embedded_again(server: LLMServer, embeddings: EmbeddingServer, path: Path) -> None:
    first, second = Ledger(), Ledger()
    explanations = interpreted(server, embeddings, path, first)
    n_requests = len(server.requests), len(embeddings.requests)
    scores = [explanation.scores[1] for explanation in explanations]
    assert all(score.value is not None and score.usage.requests >= 1 for score in scores)
    sent = [text for texts in embeddings.sent for text in texts]
    assert len(sent) == len(set(sent))
    n_words = n_words_of(sent)
    assert first.spent.prompt_tokens == 100 * n_requests[0] + n_words
    assert first.spent.requests == sum(n_requests)
    again = interpreted(server, embeddings, path, second)
    assert (len(server.requests), len(embeddings.requests)) == n_requests
    assert second.spent == Usage()
    values = [{one.index: one.scores[1].value for one in part} for part in (explanations, again)]
    assert values[0] == values[1]


def test_feature_whose_vectors_do_not_fit_into_the_budget_is_not_begun(
    server: LLMServer, embeddings: EmbeddingServer, path: Path
) -> None:
    ledger = Ledger(FREE, max_cost=10 * A_TOKEN)
    assert interpreted(server, embeddings, path, ledger, n=3, max_workers=1) == []
    assert ledger.has_ended
    assert embeddings.requests == server.requests == []
    (outcome,) = interpreted(server, embeddings, path, Ledger(), n=1)
    assert outcome.scores[1].value is not None
    n_requests = len(server.requests), len(embeddings.requests)
    assert len(interpreted(server, embeddings, path, ledger=Ledger(max_tokens=1), n=1)) == 1, (
        "what is known costs nothing"
    )
    assert (len(server.requests), len(embeddings.requests)) == n_requests


def test_vectors_that_are_dearer_than_foreseen_leave_a_feature_for_a_later_run(
    server: LLMServer, embeddings: EmbeddingServer, path: Path
) -> None:
    server.judge = lambda ask: explanation("cat " * 1000) if ask.kind == "explaining" else marked_word_judge(ask)
    ledger = Ledger(FREE, max_cost=1500 * A_TOKEN)
    assert interpreted(server, embeddings, path, ledger, n=3, max_workers=1) == []
    assert ledger.has_ended
    assert embeddings.requests == []
    n_requests = len(server.requests)
    assert n_requests == 3, "one feature is begun"
    (outcome,) = interpreted(server, embeddings, path, Ledger(), n=1)
    assert outcome.scores[1].value is not None
    assert len(server.requests) == n_requests
