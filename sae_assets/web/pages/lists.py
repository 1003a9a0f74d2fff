"""Named lists of features: all of them, and one with its features."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sae_assets.web.operations.checkpoints import all_checkpoints
from sae_assets.web.operations.lists import all_lists, list_detail
from sae_assets.web.pages.templating import render

router = APIRouter()


@router.get("/lists")
def lists(request: Request) -> HTMLResponse:
    """All lists."""
    return render(request, "lists.html", items=all_lists(request.app.state.context).items)


@router.get("/lists/{list_name}")
def one_list(request: Request, list_name: str) -> HTMLResponse:
    """A list with its features, each with a link to its page in the analysis that is shown of its checkpoint."""
    context = request.app.state.context
    kept = list_detail(context, list_name)
    shown = {(item.series, item.name): item.analysis for item in all_checkpoints(context).items}
    return render(request, "list.html", list=kept, shown=shown, can_be_deleted=list_name != "bookmarks")
