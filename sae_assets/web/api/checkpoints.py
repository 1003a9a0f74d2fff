"""Checkpoints and their analyses."""

from __future__ import annotations

from fastapi import APIRouter

from sae_assets.web.api.parameters import Analysis, Context, Name, Series
from sae_assets.web.models.checkpoints import AnalysisDetail, CheckpointList
from sae_assets.web.operations import checkpoints
from sae_assets.web.problems import documented

router = APIRouter(tags=["checkpoints"], responses=documented())


@router.get("/saes")
def list_checkpoints(context: Context) -> CheckpointList:
    """All checkpoints, by series and name, with the numbers of the analysis that is shown of each."""
    return checkpoints.all_checkpoints(context)


@router.get("/saes/{series}/{name}/{analysis}")
def get_analysis(context: Context, series: Series, name: Name, analysis: Analysis) -> AnalysisDetail:
    """A checkpoint with one of its analyses: numbers, histograms, settings, and how it came about."""
    return checkpoints.analysis_detail(context, series, name, analysis)
