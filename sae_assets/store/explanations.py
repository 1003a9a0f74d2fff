"""Explanations of features: kept by names, so that a new analysis leaves them where they are, and never lost.

Each lies in `explanation_versions` for good; `explanations` says which one counts.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from sae_assets.store.bulk import DUPLICATE_KEY, insert_in_bulk
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.failures import forget_failures
from sae_assets.store.kept_documents import ExplanationDocument, ExplanationVersionDocument
from sae_assets.store.queries import Where, where
from sae_assets.store.sets import amend

AT_A_TIME = 1000
"""Explanations that are written together."""
END_OF_TIME_MS = 1 << 53
"""Later than any explanation is written."""


@readable
def save_explanations(store: Store, explanations: Sequence[ExplanationVersionDocument]) -> None:
    """Writes explanations over those that count; what a person wrote, no model's explanation replaces.

    Failures of these features are forgotten then. A writer that is killed leaves versions that never counted, and
    nothing half.
    """
    for _ in insert_in_bulk(store["explanation_versions"], (one.to_mongo() for one in explanations)):
        pass
    for first in range(0, len(explanations), AT_A_TIME):
        batch = [one.current for one in explanations[first : first + AT_A_TIME]]
        explained = _insert_first_ones(store, batch)  # the bundled server inserts far faster than it replaces
        _count_new(store, batch, explained)
        if explained:
            store["explanations"].bulk_write([_replacement(one) for one in explained])
        forget_failures(store, batch)


def write_by_hand(store: Store, sae_id: str, analysis: str, index: int, text: str) -> ExplanationDocument:
    """Lets what a person wrote count from now on."""
    written = ExplanationVersionDocument(sae=sae_id, analysis=analysis, index=index, text=text, is_by_hand=True)
    save_explanations(store, [written])
    return written.current


@readable
def explanation_history(store: Store, sae_id: str, analysis: str, index: int) -> list[ExplanationVersionDocument]:
    """All explanations of a feature, newest first."""
    wanted = where(sae=sae_id, analysis=analysis, index=index)
    found = map(ExplanationVersionDocument.of, store["explanation_versions"].find(wanted.filter))
    return sorted(found, key=lambda one: one.written_ms, reverse=True)


@readable
def explained_features(store: Store, sae_id: str, analysis: str, *, by_hand_only: bool = False) -> set[int]:
    """Indices of the features that have an explanation, or one that a person wrote."""
    by_hand = {"is_by_hand": True} if by_hand_only else {}
    found = store["explanations"].find(where(sae=sae_id, analysis=analysis, **by_hand).filter, {"index": 1})
    return {one["index"] for one in found}


@readable
def explanations_of(
    store: Store, sae_id: str, analysis: str, indices: Iterable[int] | None = None
) -> list[ExplanationDocument]:
    """The explanations of these features, or of all, by index."""
    wanted = where(sae=sae_id, analysis=analysis)
    return _found(store, wanted if indices is None else wanted.among("index", indices))


def each_explanation(store: Store, sae_id: str, analysis: str) -> Iterator[ExplanationDocument]:
    """All explanations of an analysis one after the other, in no order: far less memory than all at once.

    In small batches, as other threads stand still while one is decoded.
    """
    with store.readable_errors(), _no_garbage_collection():
        wanted = where(sae=sae_id, analysis=analysis).filter
        yield from map(ExplanationDocument.of, store["explanations"].find(wanted, batch_size=AT_A_TIME))


@readable
def explanations_written_since(store: Store, sae_id: str, analysis: str, since_ms: int) -> list[ExplanationDocument]:
    """The explanations whose `written_ms` is this or later, by index.

    Clocks differ, and one is read before a document is written: ask again from some minutes before the last answer.
    """
    return _found(store, where(sae=sae_id, analysis=analysis).between("written_ms", since_ms, END_OF_TIME_MS))


def known_scores(explanation: ExplanationDocument) -> dict[str, float]:
    """The scores of an explanation by scorer, without those that came to no value."""
    given = {score["scorer"]: score.get("value") for score in explanation.scores}
    return {scorer: value for scorer, value in given.items() if value is not None}


def mean_scores(explanations: Iterable[ExplanationDocument]) -> dict[str, float]:
    """The mean value of each scorer over the explanations that it could score."""
    values: dict[str, list[float]] = {}
    for explanation in explanations:
        for scorer, value in known_scores(explanation).items():
            values.setdefault(scorer, []).append(value)
    return {scorer: sum(found) / len(found) for scorer, found in values.items()}


@readable
def record_explained(store: Store, sae_id: str, analysis: str) -> None:
    """Keeps number and mean scores of the explanations that count with their analysis, for the list of checkpoints."""
    explanations = explanations_of(store, sae_id, analysis)
    new = {"n_explained": len(explanations), "mean_scores": mean_scores(explanations)}

    def recorded(before: AnalysisDocument | None) -> AnalysisDocument:
        assert before is not None, "an analysis is never deleted"
        return before.model_copy(update=new)

    amend(store, f"{sae_id}/{analysis}", recorded)


def _insert_first_ones(store: Store, explanations: list[ExplanationDocument]) -> list[ExplanationDocument]:
    """Writes those of features that have no explanation yet; gives the others."""
    try:
        store["explanations"].insert_many([one.to_mongo() for one in explanations], ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if any(failed["code"] != DUPLICATE_KEY for failed in failures):
            raise
        return [explanations[place] for place in sorted(failed["index"] for failed in failures)]
    return []


def _count_new(store: Store, batch: list[ExplanationDocument], explained: list[ExplanationDocument]) -> None:
    """Counting them when they are listed would read all of them, in each of many checkpoints."""
    new = Counter(f"{one.sae}/{one.analysis}" for one in batch)
    new.subtract(f"{one.sae}/{one.analysis}" for one in explained)
    for analysis_id, n_new in new.items():
        if n_new:
            change = {"$inc": {"n_explained": n_new, "revision": 1}}
            store["analyses"].update_one(where(_id=analysis_id).filter, change)


def _replacement(one: ExplanationDocument) -> ReplaceOne[dict[str, Any]]:
    by_hand = {} if one.is_by_hand else {"is_by_hand": False}
    return ReplaceOne(where(sae=one.sae, analysis=one.analysis, index=one.index, **by_hand).filter, one.to_mongo())


def _found(store: Store, wanted: Where) -> list[ExplanationDocument]:
    with _no_garbage_collection():
        found = map(ExplanationDocument.of, store["explanations"].find(wanted.filter))
        return sorted(found, key=lambda one: one.index)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Of 100,000 documents it would take several times as long as reading them, to find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
