"""The first page: every checkpoint with what came of it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sae_assets.web.operations.checkpoints import all_checkpoints
from sae_assets.web.pages.templating import render

router = APIRouter()


@router.get("/")
def checkpoints(request: Request) -> HTMLResponse:
    """All checkpoints."""
    return render(request, "checkpoints.html", items=all_checkpoints(request.app.state.context).items)
