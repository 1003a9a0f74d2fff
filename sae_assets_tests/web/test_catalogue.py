"""What is held in memory: it follows the store, reads once for all who ask at once, and stays within its bounds."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

from sae_assets.store.explanations import save_explanations, write_by_hand
from sae_assets.store.kept_documents import ExplanationDocument, ExplanationVersionDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.web.bounded_cache import BoundedCache
from sae_assets.web.catalogue import OVERLAP_MS, REFRESH_S, Catalogue
from sae_assets.web.explained import ExplainedFeatures
from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web

SOON_S = 10


@dataclass(frozen=True)
class Block:
    """A value of some size."""

    n_bytes: int


def explanation(index: int, text: str, **scores: float | None) -> ExplanationDocument:
    values = [{"scorer": scorer, "value": value} for scorer, value in scores.items()]
    return ExplanationDocument(sae=SAE_ID, analysis="default", index=index, text=text, scores=values)


def test_what_another_process_writes_is_seen_soon(web: Web):
    assert web.features(q="aardvark")["total"] == 0
    write_by_hand(web.context.store, SAE_ID, "default", 61, "aardvark")
    deadline = time.monotonic() + SOON_S
    while web.features(q="aardvark")["total"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_a_slow_clock_wrote_is_seen_too(web: Web):
    write_by_hand(web.context.store, SAE_ID, "default", 61, "a newer one")
    newest_ms = web.context.catalogue.explained(find_analysis(web.context.store, SAE_ID).analysis).newest_ms
    late = ExplanationVersionDocument(
        sae=SAE_ID,
        analysis="default",
        index=62,
        text="pangolin",
        is_by_hand=True,
        written_ms=newest_ms - OVERLAP_MS // 2,
    )
    save_explanations(web.context.store, [late])
    time.sleep(REFRESH_S + 0.5)
    deadline = time.monotonic() + SOON_S
    while web.features(q="pangolin")["total"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_columns_are_read_once(web: Web):
    analysis = find_analysis(web.context.store, SAE_ID).analysis
    catalogue = Catalogue(web.context.store)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: catalogue.columns(analysis), range(20)))
    assert all(columns is found[0] for columns in found)


def test_a_value_is_read_once_however_many_ask_at_once():
    cache: BoundedCache[Block] = BoundedCache(100)
    n_read = 0
    begin = threading.Barrier(8)

    def read() -> Block:
        nonlocal n_read
        n_read += 1
        time.sleep(0.05)
        return Block(1)

    def ask(_: int) -> Block:
        begin.wait()
        return cache.get("key", read)

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(ask, range(8)))
    assert n_read == 1 and all(one is found[0] for one in found)


def test_the_values_used_last_stay():
    cache: BoundedCache[Block] = BoundedCache(10)
    first, second = (cache.get(key, lambda: Block(5)) for key in "ab")
    cache.get("a", lambda: pytest.fail("it is there"))
    cache.get("c", lambda: Block(5))
    assert cache.get("a", lambda: Block(5)) is first
    assert cache.get("b", lambda: Block(5)) is not second


def test_a_value_that_cannot_be_read_is_tried_again():
    cache: BoundedCache[Block] = BoundedCache(10)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: Block(1 // 0))
    assert cache.get("key", lambda: Block(1)) == Block(1)


def test_a_new_explanation_takes_the_scores_of_the_old_one_away():
    explained = ExplainedFeatures(4)
    explained.put([explanation(2, "old", detection=0.5, fuzzing=None), explanation(9, "of no feature")])
    assert explained.scores["detection"][2] == 0.5 and explained.mean_score("fuzzing") is None
    explained.put([explanation(2, "Neu")])
    assert len(explained.known_scores("detection")) == 0 and explained.folded[2] == "neu"
    np.testing.assert_array_equal(explained.is_explained, [False, False, True, False])
