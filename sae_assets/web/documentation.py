"""The description of the API: OpenAPI at `/api/v1/openapi.json`, readable at `/docs` without any outside network."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse

from sae_assets.web.models.problem import Problem

OPENAPI = "/api/v1/openapi.json"
DESCRIPTION = """What every feature of a sparse autoencoder means: the same that the pages show.

Lists are paged by `cursor`. Every answer to a GET has an ETag; send it back as If-None-Match. What fails is answered as
`application/problem+json` (RFC 9457) with a sentence in `detail`. Requests that change something take JSON and are
refused when a page of another site sends them.
"""
PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · sae-assets</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/vendor/swagger-ui/swagger-ui.css">
</head>
<body>
<main id="swagger-ui" data-openapi="{OPENAPI}"></main>
<script src="/static/vendor/swagger-ui/swagger-ui-bundle.js"></script>
<script type="module" src="/static/vendor/swagger-ui/start.js"></script>
</body>
</html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs() -> HTMLResponse:
    """The API's description, to read and to try."""
    return HTMLResponse(PAGE)


def describe(app: FastAPI) -> None:
    """Lets the app describe its API; failures have a schema of their own."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = Problem.model_json_schema()
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi
