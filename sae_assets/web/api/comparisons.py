"""One checkpoint against another on the same source."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from sae_assets.web.api.parameters import Context
from sae_assets.web.models.comparisons import Change, Comparison, NewComparison
from sae_assets.web.operations import comparisons
from sae_assets.web.problems import documented

router = APIRouter(prefix="/comparisons", tags=["comparisons"], responses=documented())
Key = Annotated[str, Query(description="`series/name/analysis`.", max_length=1000, examples=["demo/step-1/default"])]


@router.get("")
def get_comparison(
    context: Context,
    first: Key,
    second: Key,
    change: Annotated[Change | None, Query(description="Only features of which this became.")] = None,
    cursor: Annotated[str | None, Query(description="`next` of another page.", max_length=500)] = None,
) -> Comparison:
    """Fifty features with what became of them, or how far computing it is."""
    return comparisons.comparison(context, first, second, change, cursor)


@router.post("", status_code=202)
def post_comparison(context: Context, new: NewComparison) -> Comparison:
    """Begin to compare two analyses, unless that is done or running. It takes minutes; `GET` says how far it is."""
    return comparisons.begin_comparison(context, new)
