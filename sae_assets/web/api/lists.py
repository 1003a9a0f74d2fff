"""Named lists of features; "bookmarks" is always there."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from sae_assets.web.api.parameters import Context, Index, ListName, Name, Series
from sae_assets.web.models.notes import ListDetail, Lists, ListSummary, NewList, NewListItem
from sae_assets.web.operations import lists
from sae_assets.web.problems import documented

router = APIRouter(prefix="/lists", tags=["lists"], responses=documented())


@router.get("")
def list_lists(context: Context) -> Lists:
    """All lists by name, "bookmarks" first."""
    return lists.all_lists(context)


@router.post("", status_code=201)
def post_list(context: Context, new: NewList) -> ListSummary:
    """Make an empty list."""
    return lists.create_list(context, new)


@router.get(
    "/{list_name}",
    response_model=ListDetail,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def get_list(
    context: Context,
    list_name: ListName,
    format: Annotated[Literal["json", "csv"], Query(description="What to give it as.")] = "json",
) -> ListDetail | Response:
    """A list with its features in the order in which they were added, as JSON or CSV."""
    if format == "json":
        return lists.list_detail(context, list_name)
    attachment = f"attachment; filename*=UTF-8''{quote(list_name, safe='')}.csv"
    return Response(
        lists.list_csv(context, list_name), media_type="text/csv", headers={"Content-Disposition": attachment}
    )


@router.delete("/{list_name}", status_code=204)
def delete_list(context: Context, list_name: ListName) -> None:
    """Delete a list. The features keep their explanations, tags and notes."""
    lists.delete_list(context, list_name)


@router.put("/{list_name}/items/{series}/{name}/{index}", status_code=204)
def put_item(
    context: Context, list_name: ListName, series: Series, name: Name, index: Index, new: NewListItem | None = None
) -> None:
    """Put a feature at the end of a list; of one that is in it already, the note is replaced."""
    lists.add_to_list(context, list_name, series, name, index, new or NewListItem())


@router.delete("/{list_name}/items/{series}/{name}/{index}", status_code=204)
def delete_item(context: Context, list_name: ListName, series: Series, name: Name, index: Index) -> None:
    """Take a feature out of a list, if it is in it."""
    lists.remove_from_list(context, list_name, series, name, index)
