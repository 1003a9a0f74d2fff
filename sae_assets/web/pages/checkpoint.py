"""A checkpoint: its numbers, how its features are spread, and how the analysis came about."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from sae_assets.web.charts import Chart, histogram
from sae_assets.web.models.base import Bar
from sae_assets.web.models.checkpoints import AnalysisDetail
from sae_assets.web.operations.checkpoints import analysis_detail, shown_analysis
from sae_assets.web.pages.templating import render
from sae_assets.web.pages.urls import checkpoint_url, features_url

router = APIRouter()


@router.get("/saes/{series}/{name}")
def shown(request: Request, series: str, name: str) -> RedirectResponse:
    """Leads to the analysis that is shown of a checkpoint."""
    analysis = shown_analysis(request.app.state.context, series, name)
    return RedirectResponse(checkpoint_url(series, name, analysis), status_code=303)


@router.get("/saes/{series}/{name}/{analysis}")
def checkpoint(request: Request, series: str, name: str, analysis: str) -> HTMLResponse:
    """A checkpoint with one of its analyses."""
    detail = analysis_detail(request.app.state.context, series, name, analysis)
    return render(
        request,
        "checkpoint.html",
        detail=detail,
        charts=charts(detail),
        settings=_as_json(detail.settings),
        config=_as_json(detail.config),
    )


def charts(detail: AnalysisDetail) -> dict[str, Chart]:
    """The histograms by title; a bar leads to the features that it counts."""
    item, bars = detail.checkpoint, detail.histograms

    def chart(title: str, counted: list[Bar], low: str, high: str, **also: str) -> Chart:
        def link(bar: Bar) -> str:
            return features_url(item.series, item.name, detail.analysis, **{low: bar.start, high: bar.stop}, **also)

        return histogram(counted, title, "features", link=link, is_log=True)

    shown = {
        "Density of alive features, log₁₀": chart(
            "Alive features by density, log₁₀", bars.log_density, "min_log_density", "max_log_density"
        ),
        "Largest activation of alive features": chart(
            "Alive features by largest activation", bars.max_act, "min_act", "max_act", state="alive"
        ),
    }
    return shown | {
        f"Score of explanations, {scorer}": chart(
            f"Explained features by score, {scorer}", counted, "min_score", "max_score", scorer=scorer
        )
        for scorer, counted in bars.scores.items()
    }


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
