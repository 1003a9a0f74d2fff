"""Named lists of features."""

from __future__ import annotations

import csv
import io

from sae_assets.store import lists as stored
from sae_assets.store.explanations import explanations_of
from sae_assets.store.kept_documents import ListItemDocument
from sae_assets.store.lookup import published_analyses
from sae_assets.web.context import WebContext
from sae_assets.web.models.notes import ListDetail, ListItem, Lists, ListSummary, NewList, NewListItem
from sae_assets.web.operations.annotations import known_feature

COLUMNS = ("series", "name", "index", "note", "added_at", "explanation")
FORMULA = ("=", "+", "-", "@")
"""How a cell begins, after spaces and the like, that a spreadsheet would compute."""


def all_lists(context: WebContext) -> Lists:
    """All lists."""
    return Lists(items=[_summary(row) for row in stored.all_lists(context.store)])


def create_list(context: WebContext, new: NewList) -> ListSummary:
    """Makes an empty list.

    Raises:
        UserError: the name cannot be one of a list, or a list has it.
    """
    return _summary(stored.create_list(context.store, new.name, new.description))


def delete_list(context: WebContext, list_name: str) -> None:
    """Deletes a list.

    Raises:
        NotFoundError: there is no such list.
        UserError: it is "bookmarks".
    """
    stored.delete_list(context.store, list_name)


def list_detail(context: WebContext, list_name: str) -> ListDetail:
    """A list with its features.

    Raises:
        NotFoundError: there is no such list.
    """
    items = stored.items_of(context.store, list_name)
    rows = {row.name: row for row in stored.all_lists(context.store)}
    explanations = _explanations(context, items)
    described = rows.get(list_name)
    return ListDetail(
        name=list_name,
        description=described.description if described else "",
        items=[_item(item, explanations.get((item.sae, item.index))) for item in items],
    )


def list_csv(context: WebContext, list_name: str) -> str:
    """The same as CSV; no cell is one that a spreadsheet would compute.

    Raises:
        NotFoundError: there is no such list.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for item in list_detail(context, list_name).items:
        values = item.model_dump(mode="json")
        writer.writerow([_cell(values[column]) for column in COLUMNS])
    return file.getvalue()


def add_to_list(context: WebContext, list_name: str, series: str, name: str, index: int, new: NewListItem) -> None:
    """Puts a feature into a list, or replaces its note there.

    Raises:
        NotFoundError: there is no such list or feature.
    """
    stored.add_to_list(context.store, list_name, known_feature(context, series, name, index), index, new.note)


def remove_from_list(context: WebContext, list_name: str, series: str, name: str, index: int) -> None:
    """Takes a feature out of a list, if it is in it.

    Raises:
        NotFoundError: there is no such list.
    """
    stored.remove_from_list(context.store, list_name, f"{series}/{name}", index)


def _summary(row: stored.ListRow) -> ListSummary:
    return ListSummary(name=row.name, description=row.description, n_items=row.n_items, created_at=row.created_at)


def _item(item: ListItemDocument, explanation: str | None) -> ListItem:
    series, name = item.sae.split("/", 1)
    return ListItem(
        series=series, name=name, index=item.index, note=item.note, added_at=item.added_at, explanation=explanation
    )


def _explanations(context: WebContext, items: list[ListItemDocument]) -> dict[tuple[str, int], str]:
    """The explanation of each feature in the analysis that is shown of its SAE."""
    by_sae: dict[str, list[int]] = {}
    for item in items:
        by_sae.setdefault(item.sae, []).append(item.index)
    found: dict[tuple[str, int], str] = {}
    for sae_id, indices in by_sae.items():
        for shown in published_analyses(context.store, sae_id)[:1]:
            for one in explanations_of(context.store, sae_id, shown.name, indices):
                found[sae_id, one.index] = one.text
    return found


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip().startswith(FORMULA) else value
