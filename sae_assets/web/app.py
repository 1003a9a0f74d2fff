"""The web application: the API, the pages, and what stands around both."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from sae_assets.web import documentation, problems
from sae_assets.web.api import annotations, checkpoints, comparisons, explanations, features, lists, text
from sae_assets.web.caching import Etags
from sae_assets.web.context import WebContext
from sae_assets.web.inference.rate_limit import RateLimit
from sae_assets.web.pages import router as pages
from sae_assets.web.security import Access, Guard

STATIC = Path(__file__).parent / "static"
SMALLEST_ZIPPED = 1000
"""Bytes from which on an answer is compressed."""
SUBJECTS = (checkpoints, features, explanations, annotations, lists, text, comparisons)


def create_app(context: WebContext, access: Access | None = None) -> FastAPI:
    """The application on an open store.

    Args:
        access: who may ask; whoever reaches the loopback where not given.
    """
    app = FastAPI(
        title="sae-assets",
        version=version("sae-assets"),
        description=documentation.DESCRIPTION,
        openapi_url=documentation.OPENAPI,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        separate_input_output_schemas=False,
    )
    app.state.context, app.state.rate_limit = context, RateLimit()
    api = APIRouter(prefix="/api/v1")
    for subject in SUBJECTS:
        api.include_router(subject.router)
    app.include_router(api)
    app.include_router(documentation.router)
    app.include_router(pages, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    documentation.describe(app)
    problems.register(app)
    # The last one added is the outermost.
    app.add_middleware(problems.Unforeseen)
    app.add_middleware(Etags)
    app.add_middleware(GZipMiddleware, minimum_size=SMALLEST_ZIPPED)
    app.add_middleware(Guard, access=access or Access())
    return app
