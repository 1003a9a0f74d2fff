"""Tags and notes that people put on features: they belong to the SAE, whatever the analysis."""

from __future__ import annotations

from collections.abc import Iterable

from sae_assets.store.connection import Store, readable
from sae_assets.store.kept_documents import AnnotationDocument
from sae_assets.store.queries import where


@readable
def annotate(store: Store, sae_id: str, index: int, tags: Iterable[str], note: str) -> AnnotationDocument:
    """Puts tags, each once and without spaces around it, and a note on a feature, in place of those that are there.

    Without tags and with an empty note, nothing stays.
    """
    kept = [tag for tag in dict.fromkeys(tag.strip() for tag in tags) if tag]
    annotation = AnnotationDocument(sae=sae_id, index=index, tags=kept, note=note)
    same = where(sae=sae_id, index=index)
    if kept or note:
        store.upsert("annotations", same, {"$set": annotation.model_dump(exclude=set(same.filter))})
    else:
        store["annotations"].delete_one(same.filter)
    return annotation


@readable
def annotations_of(store: Store, sae_id: str, indices: Iterable[int] | None = None) -> dict[int, AnnotationDocument]:
    """The annotations of these features of an SAE, or of all, by index."""
    wanted = where(sae=sae_id)
    if indices is not None:
        wanted = wanted.among("index", indices)
    found = map(AnnotationDocument.of, store["annotations"].find(wanted.filter))
    return {one.index: one for one in found}
