"""The list of a checkpoint's features: searched, filtered, sorted, a page at a time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from sae_assets.web.operations.feature_list import feature_page, random_feature
from sae_assets.web.operations.lists import all_lists
from sae_assets.web.pages.filters import as_fields, as_text, chips, header
from sae_assets.web.pages.templating import render
from sae_assets.web.pages.urls import feature_url, features_url
from sae_assets.web.query import PAGE, FeatureQuery, Sort

router = APIRouter()
COLUMNS: tuple[Sort, ...] = ("index", "top_logit", "density", "max_act", "mean_act", "score")
"""Columns that sort."""


@router.get("/saes/{series}/{name}/{analysis}/features")
def features(
    request: Request, series: str, name: str, analysis: str, query: Annotated[FeatureQuery, Query()]
) -> HTMLResponse:
    """A page of the list."""
    context = request.app.state.context
    found = context.found(series, name, analysis).analysis
    scorers = sorted(found.mean_scores) or context.catalogue.explained(found).scorers
    page = feature_page(context, series, name, analysis, query)
    return render(
        request,
        "features.html",
        series=series,
        name=name,
        analysis=analysis,
        address=features_url(series, name, analysis),
        page=page,
        size=PAGE,
        here=as_text(query),
        fields=dict.fromkeys(FeatureQuery.model_fields, "") | as_fields(query),
        chips=chips(query),
        headers={column: header(query, column) for column in COLUMNS},
        by_relevance=as_text(query, sort=None, order=None),
        is_by_relevance=query.sorted_by == "relevance",
        pages={place: as_text(query, cursor=getattr(page, place)) for place in ("previous", "next")},
        d_sae=found.d_sae,
        scorers=scorers,
        scorer=query.scorer or next(iter(scorers), None),
        has_meaning=context.meaning is not None,
        lists=[one.name for one in all_lists(context).items],
    )


@router.get("/saes/{series}/{name}/{analysis}/features/random")
def random(
    request: Request, series: str, name: str, analysis: str, query: Annotated[FeatureQuery, Query()]
) -> RedirectResponse:
    """Leads to one of the list's features, any of them."""
    index = random_feature(request.app.state.context, series, name, analysis, query)
    return RedirectResponse(feature_url(series, name, analysis, index, within=as_text(query)), status_code=303)
