"""Features that could not be explained and why: the next run tries them again, and a person sees the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pymongo import ReplaceOne

from sae_assets.store.connection import Store, readable
from sae_assets.store.kept_documents import ExplanationDocument, ExplanationFailureDocument
from sae_assets.store.queries import where


@readable
def save_failures(store: Store, failures: Sequence[ExplanationFailureDocument]) -> None:
    """Writes failures, each in place of the one that the feature had."""
    if failures:
        store["explanation_failures"].bulk_write(
            [
                ReplaceOne(
                    where(sae=one.sae, analysis=one.analysis, index=one.index).filter, one.to_mongo(), upsert=True
                )
                for one in failures
            ]
        )


@readable
def failures_of(
    store: Store, sae_id: str, analysis: str, indices: Iterable[int] | None = None
) -> list[ExplanationFailureDocument]:
    """The failures of these features, or of all, by index; the features may have an earlier explanation."""
    wanted = where(sae=sae_id, analysis=analysis)
    if indices is not None:
        wanted = wanted.among("index", indices)
    found = map(ExplanationFailureDocument.of, store["explanation_failures"].find(wanted.filter))
    return sorted(found, key=lambda one: one.index)


def forget_failures(store: Store, explained: Iterable[ExplanationDocument]) -> None:
    """Deletes the failures of features that are explained by now."""
    indices: dict[tuple[str, str], list[int]] = {}
    for one in explained:
        indices.setdefault((one.sae, one.analysis), []).append(one.index)
    for (sae, analysis), those in indices.items():
        wanted = where(sae=sae, analysis=analysis).among("index", those)
        store["explanation_failures"].delete_many(wanted.filter)
