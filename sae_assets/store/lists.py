"""Named lists of features of any SAEs. The list "bookmarks" is always there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pymongo.errors import DuplicateKeyError

from sae_assets.settings.errors import UserError, unknown
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import now
from sae_assets.store.kept_documents import ListDocument, ListItemDocument
from sae_assets.store.queries import where

BOOKMARKS = "bookmarks"
"""The list that is always there."""
MOST_CHARACTERS = 100
"""The longest name of a list."""


@dataclass(frozen=True)
class ListRow:
    """A list among all lists."""

    name: str
    """Its name."""
    description: str
    """What it is for."""
    n_items: int
    """Features in it."""
    created_at: datetime | None
    """When it was made; None for "bookmarks"."""


@readable
def all_lists(store: Store) -> list[ListRow]:
    """All lists by name, "bookmarks" first."""
    made = sorted(map(ListDocument.of, store["lists"].find(where().filter)), key=lambda one: one.id)
    return [
        ListRow(BOOKMARKS, "", _n_items(store, BOOKMARKS), None),
        *(ListRow(one.id, one.description, _n_items(store, one.id), one.created_at) for one in made),
    ]


@readable
def create_list(store: Store, name: str, description: str = "") -> ListRow:
    """Makes an empty list.

    Raises:
        UserError: the name cannot be one of a list, or a list has it.
    """
    made = ListDocument(id=_checked(name), description=description)
    try:
        if name == BOOKMARKS:
            raise DuplicateKeyError("it is always there")
        store["lists"].insert_one(made.to_mongo())
    except DuplicateKeyError:
        raise UserError(f"There is a list {name!r} already.") from None
    return ListRow(name, description, 0, made.created_at)


@readable
def delete_list(store: Store, name: str) -> None:
    """Deletes a list; its features keep all else.

    Raises:
        UserError: there is no such list, or it is "bookmarks".
    """
    if name == BOOKMARKS:
        raise UserError(f"The list {BOOKMARKS!r} cannot be deleted; take features out of it instead.")
    _refuse_unknown(store, name)
    store["list_items"].delete_many(where(list=name).filter)
    store["lists"].delete_one(where(_id=name).filter)


@readable
def add_to_list(store: Store, list_name: str, sae_id: str, index: int, note: str = "") -> None:
    """Puts a feature at the end of a list; of one that is in it already, the note is replaced.

    Raises:
        UserError: there is no such list.
    """
    _refuse_unknown(store, list_name)
    same = where(list=list_name, sae=sae_id, index=index)
    store.upsert("list_items", same, {"$set": {"note": note}, "$setOnInsert": {"added_at": now()}})


@readable
def remove_from_list(store: Store, list_name: str, sae_id: str, index: int) -> None:
    """Takes a feature out of a list, if it is in it.

    Raises:
        UserError: there is no such list.
    """
    _refuse_unknown(store, list_name)
    store["list_items"].delete_one(where(list=list_name, sae=sae_id, index=index).filter)


@readable
def items_of(store: Store, list_name: str) -> list[ListItemDocument]:
    """The features of a list in the order in which they were added.

    Raises:
        UserError: there is no such list.
    """
    _refuse_unknown(store, list_name)
    found = list(store["list_items"].find(where(list=list_name).filter))
    return [ListItemDocument.of(one) for one in sorted(found, key=lambda one: (one["added_at"], one["_id"]))]


@readable
def lists_of(store: Store, sae_id: str, indices: Iterable[int]) -> dict[int, list[str]]:
    """Names of the lists, in alphabetical order, that each of these features is in; features in none are left out."""
    found = store["list_items"].find(where(sae=sae_id).among("index", indices).filter)
    names: dict[int, list[str]] = {}
    for one in sorted(map(ListItemDocument.of, found), key=lambda one: one.list):
        names.setdefault(one.index, []).append(one.list)
    return names


@readable
def listed_features(store: Store, list_name: str, sae_id: str) -> set[int]:
    """Indices of the features of an SAE that are in a list; none where there is no such list."""
    found = store["list_items"].find(where(list=list_name, sae=sae_id).filter, {"index": 1})
    return {one["index"] for one in found}


def _n_items(store: Store, name: str) -> int:
    return store["list_items"].count_documents(where(list=name).filter)


def _refuse_unknown(store: Store, name: str) -> None:
    if name != BOOKMARKS and store["lists"].find_one(where(_id=name).filter) is None:
        known = [one["_id"] for one in store["lists"].find(where().filter, {"_id": 1})]
        raise unknown("list", name, [BOOKMARKS, *known])


def _checked(name: str) -> str:
    is_plain = name.isprintable() and name == name.strip() and "/" not in name and name not in (".", "..")
    if not is_plain or not 0 < len(name) <= MOST_CHARACTERS:
        raise UserError(
            f"A list cannot be named {name[: MOST_CHARACTERS + 1]!r}; take 1 to {MOST_CHARACTERS} printable characters "
            "without a slash and without spaces at the ends."
        )
    return name
