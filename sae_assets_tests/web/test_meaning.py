"""Search by meaning against a real endpoint and a real store: near explanations first, each embedded once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from sae_assets.interpretation.embeddings import BATCH, Embedder, EmbeddingError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.store.connection import Store
from sae_assets.web.meaning import Meanings, MeaningSearch
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.interpretation.llm_server import status
from sae_assets_tests.store.conftest import data, mongo_cfg, store  # noqa: F401

ANALYSIS = "series/name/default"
TEXTS = ["the cat and the kitten", "", "seven as a number", "a python loop", "cat in code", ""]

Make = Callable[..., MeaningSearch]


@pytest.fixture
def search(embeddings: EmbeddingServer, store: Store) -> Iterator[Make]:  # noqa: F811
    made: list[MeaningSearch] = []

    def make(model: str = "m", **options: Any) -> MeaningSearch:
        embedder = Embedder(EmbeddingConfig(model=model, base_url=embeddings.base_url), timeout=5, first_wait=0.01)
        made.append(MeaningSearch(store, embedder, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def order(found: Meanings) -> list[int]:
    """The features that were found, nearest first."""
    return [int(index) for index in np.argsort(-found.cosines) if not np.isnan(found.cosines[index])]


def when_done(rank: Callable[[], Meanings]) -> Meanings:
    """What is found once all is embedded."""
    until = time.monotonic() + 20
    while (found := rank()).n_pending and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_explanations_that_mean_the_same_come_first_without_a_common_word(search: Make) -> None:
    found = search().rank(ANALYSIS, TEXTS, "dog animals")
    assert order(found)[:2] == [0, 4]
    assert np.isnan(found.cosines[[1, 5]]).all() and len(found.cosines) == len(TEXTS)
    assert (found.n_pending, found.problem) == (0, None)
    assert found.cosines[0] == pytest.approx(1, abs=0.01)


def test_each_text_is_embedded_once_for_all_searches_features_analyses_and_processes(
    search: Make, embeddings: EmbeddingServer
) -> None:
    first = search()
    first.rank(ANALYSIS, [*TEXTS, TEXTS[0]], "cat")
    first.rank(ANALYSIS, [*TEXTS, TEXTS[0]], " cat ")
    first.rank("series/other/default", TEXTS, "cat")
    found = search().rank(ANALYSIS, TEXTS, "code")
    assert found.n_pending == 0 and order(found)[0] == 3
    sent = [text for texts in embeddings.sent for text in texts]
    assert sorted(sent) == sorted({"cat", "code", *filter(None, TEXTS)})


def test_vectors_of_another_model_are_not_taken(search: Make, embeddings: EmbeddingServer) -> None:
    search().rank(ANALYSIS, TEXTS, "cat")
    embeddings.requests.clear()
    assert search(model="n").rank(ANALYSIS, TEXTS, "cat").n_pending == 0
    assert sum(len(texts) for texts in embeddings.sent) == 5


def test_edited_and_new_explanations_are_found_by_what_they_say_now(search: Make, embeddings: EmbeddingServer) -> None:
    texts = list(TEXTS)
    one = search()
    one.rank(ANALYSIS, texts, "animals")
    embeddings.requests.clear()
    texts[0], texts[1] = "digits", "dog"  # in place, as the explanations in memory change
    found = one.rank(ANALYSIS, texts, "animals")
    assert order(found)[:2] == [1, 4] and found.n_pending == 0
    assert embeddings.sent == [["digits", "dog"]]


def test_search_meanwhile_ranks_what_is_there_and_says_how_many_are_missing(
    search: Make, embeddings: EmbeddingServer
) -> None:
    go_on = threading.Event()
    texts = [f"cat {number}" for number in range(2 * BATCH)]
    last = texts[-1]
    embeddings.fault_for = lambda request: (go_on.wait(20), None)[1] if last in request.payload["input"] else None
    one = search()
    found = one.rank(ANALYSIS, texts, "cat")
    assert found.n_pending == BATCH and len(order(found)) == BATCH
    began = time.monotonic()
    assert one.rank(ANALYSIS, texts, "cat").n_pending == BATCH
    assert time.monotonic() - began < 0.5
    go_on.set()
    assert len(order(when_done(lambda: one.rank(ANALYSIS, texts, "cat")))) == 2 * BATCH


def test_searches_at_once_embed_each_text_once(search: Make, embeddings: EmbeddingServer) -> None:
    embeddings.latency = 0.1
    one = search()
    threads = [threading.Thread(target=one.rank, args=(ANALYSIS, TEXTS, "cat")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    when_done(lambda: one.rank(ANALYSIS, TEXTS, "cat"))
    sent = [text for texts in embeddings.sent for text in texts]
    assert all(sent.count(text) == 1 for text in TEXTS if text)


def test_failure_is_said_while_the_rest_is_searched_and_is_tried_again_after_a_pause(
    search: Make, embeddings: EmbeddingServer
) -> None:
    one = search(pause=2.0)
    one.rank(ANALYSIS, TEXTS, "cat")
    embeddings.faults = [status(401)]
    texts = [*TEXTS[:5], "dog"]
    found = one.rank(ANALYSIS, texts, "cat")
    assert order(found)[0] == 0 and found.n_pending == 1
    assert found.problem is not None and "wants an API key" in found.problem
    n_requests = len(embeddings.requests)
    assert one.rank(ANALYSIS, texts, "cat").problem == found.problem
    assert len(embeddings.requests) == n_requests
    found = when_done(lambda: one.rank(ANALYSIS, texts, "cat"))
    assert (order(found)[0], found.problem) == (5, None)


def test_query_that_cannot_be_embedded_is_one_sentence(search: Make, embeddings: EmbeddingServer) -> None:
    embeddings.faults = [status(401)]
    one = search()
    with pytest.raises(EmbeddingError, match=r"wants an API key \(status 401\)"):
        one.rank(ANALYSIS, TEXTS, "cat")
    assert one.rank(ANALYSIS, TEXTS, "cat").n_pending == 0


def test_text_that_the_endpoint_refuses_is_asked_again_by_the_next_process_only(
    search: Make, embeddings: EmbeddingServer
) -> None:
    embeddings.refused = {TEXTS[3]}
    one = search()
    assert [one.rank(ANALYSIS, TEXTS, "loop").n_pending for _ in range(2)] == [0, 0]
    n_requests = len(embeddings.requests)
    assert one.rank(ANALYSIS, TEXTS, "loop").cosines[3] == 0
    assert len(embeddings.requests) == n_requests
    embeddings.refused = set()
    assert order(search().rank(ANALYSIS, TEXTS, "loop"))[0] == 3


def test_memory_is_bounded_and_what_left_it_is_read_from_the_store(search: Make, embeddings: EmbeddingServer) -> None:
    one = search(max_bytes=1)
    for analysis in (ANALYSIS, "series/other/default"):
        one.rank(analysis, TEXTS, "cat")
    embeddings.requests.clear()
    found = one.rank(ANALYSIS, TEXTS, "cat")
    assert (order(found)[0], found.n_pending, embeddings.requests) == (0, 0, [])


def test_closing_does_not_wait_for_the_endpoint(search: Make, embeddings: EmbeddingServer) -> None:
    embeddings.fault_for = lambda request: (time.sleep(8), None)[1] if TEXTS[0] in request.payload["input"] else None
    one = search()
    assert one.rank(ANALYSIS, TEXTS, "cat").n_pending == 4
    began = time.monotonic()
    one.close()
    assert time.monotonic() - began < 4
