"""How a result replaces the one before: written apart under an id of its own, then made to count by one update.

`analyses` names the sets that count. All others are listed there as pending before their first document is written, so
whatever is killed, the next run knows what to delete.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pymongo.errors import DuplicateKeyError, PyMongoError

from sae_assets.settings.errors import UserError
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument, PendingSet, SetKind, now
from sae_assets.store.queries import Where, where
from sae_assets.store.set_documents import FEATURES_OF_A_BLOCK

COLLECTIONS: dict[SetKind, dict[str, int]] = {
    "features": {"features": 1, "samples": 1, "feature_columns": FEATURES_OF_A_BLOCK},
    "logits": {"logits": 1, "logit_columns": FEATURES_OF_A_BLOCK},
}
"""Where the documents of a set lie, and how many features one document there holds."""
Change = Callable[[AnalysisDocument | None], AnalysisDocument]


def documents_of_set(kind: SetKind, set_id: str) -> Where:
    """The documents of one set, in each of its collections."""
    return where(analysis=set_id) if kind == "features" else where(table=set_id)


def amend(store: Store, analysis_id: str, change: Change) -> AnalysisDocument:
    """Changes the document of an analysis, or makes it, at once; `change` is called again where another was faster."""
    while True:
        stored = store["analyses"].find_one(where(_id=analysis_id).filter)
        before = None if stored is None else AnalysisDocument.of(stored)
        after = change(before)
        if before is None:
            try:
                store["analyses"].insert_one(after.to_mongo())
            except DuplicateKeyError:
                continue
            return after
        after = after.model_copy(update={"revision": before.revision + 1})
        same = where(_id=analysis_id, revision=before.revision)
        if store["analyses"].replace_one(same.filter, after.to_mongo()).matched_count:
            return after


@contextmanager
def new_set(store: Store, blank: AnalysisDocument, kind: SetKind) -> Iterator[str]:
    """Gives the id of a new set of this analysis, whose document is made from `blank` where there is none.

    Sets of the same kind that others began can count no more, whether their writers are dead or only slower.
    After an error nothing of the set is left.
    """
    mine = PendingSet(id=uuid.uuid4().hex, kind=kind, started_at=now())

    def begun(before: AnalysisDocument | None) -> AnalysisDocument:
        before = before or blank
        others = [
            pending.model_copy(update={"is_abandoned": True}) if pending.kind == kind else pending
            for pending in before.pending
        ]
        return before.model_copy(update={"pending": [*others, mine]})

    # What is abandoned is deleted now for its space, and again by `publish` for what a slower writer adds meanwhile.
    _delete(store, _abandoned(amend(store, blank.id, begun)))
    try:
        yield mine.id
    except BaseException:
        _give_up(store, blank.id, mine)
        raise


def publish(
    store: Store, analysis_id: str, set_id: str, n_features: int, change: Callable[[AnalysisDocument], AnalysisDocument]
) -> AnalysisDocument:
    """Makes a complete set count by one update, then deletes the one before and all that was abandoned.

    Args:
        change: puts the set's id, and what else is new, into the analysis. Sets that are no longer named there go.

    Raises:
        UserError: the set is not complete, or another run has begun a newer one.
    """

    def published(before: AnalysisDocument | None) -> AnalysisDocument:
        mine = _writing(before, set_id)
        if before is None or mine is None or not _is_complete(store, mine, n_features):
            raise UserError(f"Another run wrote the {analysis_id!r} analysis at the same time; run it again.")
        after = change(before)
        pending = [pending for pending in before.pending if pending.id != set_id]
        return after.model_copy(update={"pending": [*pending, *_retired(before, after)]})

    after = amend(store, analysis_id, published)
    _sweep(store, after)
    return after


def _writing(analysis: AnalysisDocument | None, set_id: str) -> PendingSet | None:
    pending = analysis.pending if analysis is not None else []
    return next((one for one in pending if one.id == set_id and not one.is_abandoned), None)


def _is_complete(store: Store, mine: PendingSet, n_features: int) -> bool:
    documents = documents_of_set(mine.kind, mine.id).filter
    return all(
        store[name].count_documents(documents) == math.ceil(n_features / n_each)
        for name, n_each in COLLECTIONS[mine.kind].items()
    )


def _retired(before: AnalysisDocument, after: AnalysisDocument) -> Iterator[PendingSet]:
    if before.features_id is not None and before.features_id != after.features_id:
        yield PendingSet(id=before.features_id, kind="features", started_at=now(), is_abandoned=True)
    if before.logits_id is not None and before.logits_id != after.logits_id:
        yield PendingSet(id=before.logits_id, kind="logits", started_at=now(), is_abandoned=True)


def _abandoned(analysis: AnalysisDocument) -> list[PendingSet]:
    return [pending for pending in analysis.pending if pending.is_abandoned]


def _sweep(store: Store, analysis: AnalysisDocument) -> None:
    """Deletes what was abandoned, and only then forgets it."""
    gone = _abandoned(analysis)
    if gone:
        _delete(store, gone)
        ids = {pending.id for pending in gone}
        amend(store, analysis.id, lambda before: _without(before or analysis, ids))


def _give_up(store: Store, analysis_id: str, mine: PendingSet) -> None:
    """Deletes a set that an error ended, unless it counts already and only tidying up after it failed."""

    def given_up(before: AnalysisDocument | None) -> AnalysisDocument:
        return _without(before, {mine.id})

    try:
        after = amend(store, analysis_id, given_up)  # from here on it cannot come to count any more
        if mine.id not in (after.features_id, after.logits_id):
            _delete(store, [mine])
    except PyMongoError:
        pass  # the error that led here is the one to tell; the next run deletes the set


def _without(analysis: AnalysisDocument | None, ids: set[str]) -> AnalysisDocument:
    assert analysis is not None, "an analysis is never deleted"
    return analysis.model_copy(update={"pending": [one for one in analysis.pending if one.id not in ids]})


def _delete(store: Store, sets: Iterable[PendingSet]) -> None:
    for one in sets:
        for name in COLLECTIONS[one.kind]:
            store[name].delete_many(documents_of_set(one.kind, one.id).filter)
