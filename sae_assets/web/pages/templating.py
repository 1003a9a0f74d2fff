"""Rendering of templates: what every page has, and how data is written into HTML."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from sae_assets.web.charts import histogram
from sae_assets.web.pages import formats, urls
from sae_assets.web.pages.text import shade, shown, token, tokens, window

STATIC = Path(__file__).parents[1] / "static"


def render(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A page out of a template and its values; everything that is data is escaped."""
    context = request.app.state.context
    page = environment().get_template(template).render(path=request.url.path, dagster_url=context.dagster_url, **values)
    return HTMLResponse(page, status_code)


@cache
def environment() -> Environment:
    """The templates with the filters and functions that they use; everything that is data is escaped."""
    environment = Environment(
        loader=PackageLoader("sae_assets.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(formats, name)
        for name in ("count", "short_count", "number", "share", "score", "sign", "moment", "spent")
    }
    environment.filters |= {"shown": shown, "token": token}
    environment.globals |= {name: getattr(urls, name) for name in dir(urls) if name.endswith(("_url", "_key"))}
    environment.globals |= {"static": static_url, "shade": shade, "tokens": tokens, "window": window}
    environment.globals |= {"histogram": histogram}
    return environment


@cache
def static_url(name: str) -> str:
    """The address of a file of `static/`, which changes with its content so that browsers may keep it for ever."""
    return f"/static/{name}?v={hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"
