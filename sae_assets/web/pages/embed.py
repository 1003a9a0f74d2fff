"""A feature without navigation, for a frame in another page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sae_assets.web.operations.features import feature
from sae_assets.web.pages.templating import render

router = APIRouter()


@router.get("/embed/{series}/{name}/{analysis}/{index}")
def embedded(request: Request, series: str, name: str, analysis: str, index: int) -> HTMLResponse:
    """The feature's explanation, strongest contexts and output tokens."""
    return render(request, "embed.html", feature=feature(request.app.state.context, series, name, analysis, index))
