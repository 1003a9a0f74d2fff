"""Features: in lists, and one with all that is known about it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from sae_assets.web.api.parameters import MOST, Analysis, Context, Index, Name, Series
from sae_assets.web.models.base import FeatureKey
from sae_assets.web.models.features import Feature, FeaturePage, Sample
from sae_assets.web.operations import feature_list, features
from sae_assets.web.problems import documented
from sae_assets.web.query import FeatureQuery
from sae_assets.web.segments import WINDOW_TOKENS

router = APIRouter(prefix="/saes/{series}/{name}/{analysis}/features", tags=["features"], responses=documented())

MOST_TOKENS = 4096
"""The longest window of a sample."""


@router.get("")
def list_features(
    context: Context, series: Series, name: Name, analysis: Analysis, query: Annotated[FeatureQuery, Query()]
) -> FeaturePage:
    """Fifty of the features that fit all filters, in the order that is asked for.

    The pages after and before are had by sending the same query with `cursor` set to `next` or `previous`. They stay
    right where explanations, tags or lists change in the meantime.
    """
    return feature_list.feature_page(context, series, name, analysis, query)


@router.get("/random")
def draw_feature(
    context: Context, series: Series, name: Name, analysis: Analysis, query: Annotated[FeatureQuery, Query()]
) -> FeatureKey:
    """One of the features that fit all filters, each as likely as the others; without filters, one that is alive."""
    index = feature_list.random_feature(context, series, name, analysis, query)
    return FeatureKey(series=series, name=name, index=index)


@router.get("/{index}")
def get_feature(
    context: Context,
    series: Series,
    name: Name,
    analysis: Analysis,
    index: Index,
    window: Annotated[
        int, Query(ge=1, le=MOST_TOKENS, description="Tokens to give around the peak of each sample.")
    ] = WINDOW_TOKENS,
) -> Feature:
    """A feature: explanation, statistics, output tokens, sample contexts, nearest features, and people's marks."""
    return features.feature(context, series, name, analysis, index, window)


@router.get("/{index}/contexts/{context_idx}")
def get_context(
    context: Context,
    series: Series,
    name: Name,
    analysis: Analysis,
    index: Index,
    context_idx: Annotated[int, Path(ge=0, le=MOST, description="Which sample context of the feature.")],
) -> Sample:
    """A sample context of a feature from its first to its last token."""
    return features.whole_context(context, series, name, analysis, index, context_idx)
