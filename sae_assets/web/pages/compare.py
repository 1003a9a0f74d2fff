"""Two features side by side, and what became of the features of one checkpoint in another one."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from sae_assets.settings.errors import UserError
from sae_assets.web.context import WebContext
from sae_assets.web.models.comparisons import Change
from sae_assets.web.models.features import Feature
from sae_assets.web.operations.checkpoints import all_checkpoints
from sae_assets.web.operations.comparisons import comparison
from sae_assets.web.operations.features import feature
from sae_assets.web.pages.templating import render
from sae_assets.web.pages.urls import analysis_key

router = APIRouter()
MEANINGS: dict[Change, str] = {
    "matched": "The same direction, active on the same tokens.",
    "moved": "The nearest of each other, but in another direction or on other tokens than before.",
    "died": "Alive in the first, active on no token in the second.",
    "revived": "Active on no token in the first, alive in the second.",
    "disappeared": "Alive in the first, without a counterpart in the second.",
    "appeared": "Alive in the second, without a counterpart in the first.",
}
"""What each change means."""


@router.get("/compare/features")
def two_features(request: Request, a: str = "", b: str = "") -> HTMLResponse:
    """Two features side by side; what is missing is asked for."""
    context = request.app.state.context
    found = [_feature(context, key) for key in (a, b) if key]
    return render(request, "compare_features.html", a=a, b=b, features=found)


@router.get("/compare")
def two_checkpoints(
    request: Request,
    first: str = "",
    second: str = "",
    change: Change | Literal[""] = "",
    cursor: str | None = None,
) -> HTMLResponse:
    """What became of the features of the first in the second, or how to have that computed."""
    context = request.app.state.context
    found = comparison(context, first, second, change or None, cursor) if first and second else None
    return render(
        request,
        "compare_checkpoints.html",
        keys=[
            analysis_key(item.series, item.name, analysis)
            for item in all_checkpoints(context).items
            for analysis in item.analyses
        ],
        first=first,
        second=second,
        comparison=found,
        change=change,
        changes=MEANINGS,
        is_later=cursor is not None,
    )


def _feature(context: WebContext, key: str) -> Feature:
    parts = key.split("/")
    if len(parts) != 4 or not parts[3].isdecimal():
        raise UserError(f"{key!r} names no feature; write it as series/name/analysis/index.")
    series, name, analysis, index = parts
    return feature(context, series, name, analysis, int(index))
