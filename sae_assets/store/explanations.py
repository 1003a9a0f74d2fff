"""Explanations of features: kept by names, so that a new analysis leaves them where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from sae_assets.store.connection import Store, readable
from sae_assets.store.contexts import DUPLICATE_KEY
from sae_assets.store.documents import ExplanationDocument
from sae_assets.store.queries import where


@readable
def save_explanations(store: Store, explanations: Sequence[ExplanationDocument]) -> None:
    """Writes explanations over those that are there; what a person wrote, no model's explanation replaces."""
    if not explanations:
        return
    writes = []
    for one in explanations:
        same = where(
            sae=one.sae, analysis=one.analysis, index=one.index, **({} if one.is_by_hand else {"is_by_hand": False})
        )
        writes.append(ReplaceOne(same.filter, one.to_mongo(), upsert=True))
    try:
        store["explanations"].bulk_write(writes, ordered=False)
    except BulkWriteError as error:  # the unique index keeps a model's explanation from standing beside a person's
        if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
            raise


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
    if indices is not None:
        wanted = wanted.among("index", indices)
    found = map(ExplanationDocument.of, store["explanations"].find(wanted.filter))
    return sorted(found, key=lambda one: one.index)
