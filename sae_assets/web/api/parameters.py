"""What operations of the API have in common: the context, and the names in their paths."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from sae_assets.web.context import WebContext

MOST = 2**31 - 1
"""The largest number in a path."""


def context_of(request: Request) -> WebContext:
    """What the app was made with."""
    return request.app.state.context


Context = Annotated[WebContext, Depends(context_of)]
Series = Annotated[str, Path(description="Series of the SAE.", examples=["demo"])]
Name = Annotated[str, Path(description="Name of the SAE in its series.", examples=["smollm2-l10"])]
Analysis = Annotated[str, Path(description="Name of the analysis.", examples=["default"])]
Index = Annotated[int, Path(description="Which feature.", ge=0, le=MOST, examples=[17])]
ListName = Annotated[str, Path(description="Name of the list.", examples=["bookmarks"])]
