"""Explanations of a feature."""

from __future__ import annotations

from fastapi import APIRouter

from sae_assets.web.api.parameters import Analysis, Context, Index, Name, Series
from sae_assets.web.models.features import ExplanationHistory, ExplanationItem, NewExplanation
from sae_assets.web.operations import explanations
from sae_assets.web.problems import documented

router = APIRouter(
    prefix="/saes/{series}/{name}/{analysis}/features/{index}", tags=["explanations"], responses=documented()
)


@router.get("/explanations")
def list_explanations(
    context: Context, series: Series, name: Name, analysis: Analysis, index: Index
) -> ExplanationHistory:
    """All explanations that the feature ever had, newest first, and which one counts."""
    return explanations.history(context, series, name, analysis, index)


@router.put("/explanation")
def put_explanation(
    context: Context, series: Series, name: Name, analysis: Analysis, index: Index, new: NewExplanation
) -> ExplanationItem:
    """Explain the feature by hand. From then on no model's explanation replaces it."""
    return explanations.write_explanation(context, series, name, analysis, index, new)
