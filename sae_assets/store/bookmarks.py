"""Features that a person marked."""

from __future__ import annotations

from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import BookmarkDocument
from sae_assets.store.queries import where


@readable
def add_bookmark(store: Store, sae_id: str, index: int, note: str = "") -> None:
    """Marks a feature; marking it again replaces the note."""
    bookmark = BookmarkDocument(sae=sae_id, index=index, note=note)
    store["bookmarks"].replace_one(where(sae=sae_id, index=index).filter, bookmark.to_mongo(), upsert=True)


@readable
def bookmarks(store: Store, sae_id: str) -> list[BookmarkDocument]:
    """The marked features of an SAE, by index."""
    found = map(BookmarkDocument.of, store["bookmarks"].find(where(sae=sae_id).filter))
    return sorted(found, key=lambda one: one.index)
