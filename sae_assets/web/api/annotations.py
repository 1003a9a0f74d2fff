"""Tags and notes on features of an SAE, whatever the analysis."""

from __future__ import annotations

from fastapi import APIRouter

from sae_assets.web.api.parameters import Context, Index, Name, Series
from sae_assets.web.models.notes import Annotation
from sae_assets.web.operations import annotations
from sae_assets.web.problems import documented

router = APIRouter(prefix="/saes/{series}/{name}/features/{index}", tags=["annotations"], responses=documented())


@router.get("/annotation")
def get_annotation(context: Context, series: Series, name: Name, index: Index) -> Annotation:
    """Tags and note of a feature; both empty where nobody wrote any."""
    return annotations.annotation(context, series, name, index)


@router.put("/annotation")
def put_annotation(context: Context, series: Series, name: Name, index: Index, new: Annotation) -> Annotation:
    """Put tags and a note on a feature, in place of those that are there; empty ones take them away."""
    return annotations.annotate(context, series, name, index, new)
