"""Try a text: what features do on text that a person typed."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from sae_assets.web.api.parameters import Analysis, Context, Name, Series
from sae_assets.web.models.text import Text, TextActivations
from sae_assets.web.operations import text as operations
from sae_assets.web.problems import documented
from sae_assets.web.throttle import limit_rate

router = APIRouter(tags=["text"], responses=documented(429))


@router.post("/saes/{series}/{name}/{analysis}/activations", dependencies=[Depends(limit_rate)])
def post_text(context: Context, series: Series, name: Name, analysis: Analysis, text: Text) -> TextActivations:
    """What a feature, or the strongest features of each token, do on a text.

    The first request for a checkpoint takes as long as loading its model does. A client may send 10 requests at once
    and 30 a minute.
    """
    return operations.text_activations(context, series, name, analysis, text)
