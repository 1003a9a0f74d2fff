"""A feature: the page that everything else leads to, with its whole contexts and the history of its explanation."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from sae_assets.web.operations.explanations import history
from sae_assets.web.operations.feature_list import neighbours_in_list
from sae_assets.web.operations.features import feature, whole_context
from sae_assets.web.operations.lists import all_lists
from sae_assets.web.pages.templating import render
from sae_assets.web.pages.urls import feature_url
from sae_assets.web.query import FeatureQuery

router = APIRouter(prefix="/saes/{series}/{name}/{analysis}/features/{index}")


@router.get("")
def one_feature(
    request: Request,
    series: str,
    name: str,
    analysis: str,
    index: int,
    within: Annotated[str, Query(alias="from", max_length=4000)] = "",
) -> HTMLResponse:
    """A feature with all that is known about it; previous and next follow the list that `from` describes."""
    context = request.app.state.context
    query = _query(within)
    around = neighbours_in_list(context, series, name, analysis, index, query)

    def link(other: int | None) -> str | None:
        return None if other is None else feature_url(series, name, analysis, other, within=within if query else "")

    return render(
        request,
        "feature.html",
        feature=feature(context, series, name, analysis, index),
        previous=link(around.previous),
        next=link(around.next),
        within=within if query else "",
        lists=all_lists(context).items,
    )


@router.get("/contexts/{context_idx}")
def one_context(request: Request, series: str, name: str, analysis: str, index: int, context_idx: int) -> HTMLResponse:
    """A sample context as a whole."""
    context = request.app.state.context
    sample = whole_context(context, series, name, analysis, index, context_idx)
    columns = context.catalogue.columns(context.found(series, name, analysis).analysis)
    return render(
        request,
        "context.html",
        series=series,
        name=name,
        analysis=analysis,
        index=index,
        max_act=float(columns.features.max_act[index]),
        sample=sample,
    )


@router.get("/explanations")
def explanations(request: Request, series: str, name: str, analysis: str, index: int) -> HTMLResponse:
    """All explanations of a feature, and how each came about."""
    return render(
        request,
        "explanations.html",
        series=series,
        name=name,
        analysis=analysis,
        index=index,
        history=history(request.app.state.context, series, name, analysis, index),
    )


def _query(within: str) -> FeatureQuery | None:
    """The list that a query describes; one that cannot be read is as good as none, as nobody types it."""
    try:
        return FeatureQuery.model_validate(dict(parse_qsl(within))) if within else None
    except ValidationError:
        return None
