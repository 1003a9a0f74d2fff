"""What a request that fails is answered: problem+json (RFC 9457) to clients of the API, a page to people."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sae_assets.settings.errors import NotFoundError, UnreachableError, UserError
from sae_assets.web.inference.child import BusyError
from sae_assets.web.models.problem import Problem
from sae_assets.web.pages.templating import render

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_S = 30
"""When what is busy or does not answer is worth asking again."""

logger = logging.getLogger(__name__)


def problem(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None, where: list[str] | None = None
) -> Response:
    """The answer to a request that failed. `where` names the parameters that are wrong."""
    about = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, parameters=where or [])
    if request.url.path.startswith("/api/"):
        return JSONResponse(about.model_dump(), status, headers, media_type=PROBLEM_JSON)
    response = render(request, "error.html", status, title=about.title, detail=about.detail)
    response.headers.update(headers or {})
    return response


def register(app: FastAPI) -> None:
    """Lets the app answer so."""
    app.add_exception_handler(UserError, _user_error)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(RequestValidationError, _bad_values)  # pyright: ignore[reportArgumentType]
    app.add_exception_handler(HTTPException, _http_error)  # pyright: ignore[reportArgumentType]


class Unforeseen:
    """Answers a request over which the app failed; the traceback goes to the log."""

    def __init__(self, app: ASGIApp):
        """`app` is what may fail."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or has_begun:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            detail = "Something went wrong that nobody foresaw; the server's log says what."
            await problem(Request(scope), 500, detail)(scope, receive, send)


def _user_error(request: Request, error: UserError) -> Response:
    if isinstance(error, BusyError | UnreachableError):
        return problem(request, 503, str(error), {"Retry-After": str(RETRY_AFTER_S)})
    return problem(request, 404 if isinstance(error, NotFoundError) else 400, str(error))


def _bad_values(request: Request, error: RequestValidationError) -> Response:
    parts = [(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
    detail = "; ".join(f"{place}: {message}" if place else message for place, message in parts)
    return problem(request, 422, f"{detail}.", where=[place for place, _ in parts])


def _http_error(request: Request, error: HTTPException) -> Response:
    plain: dict[int, str] = {404: f"There is nothing at {request.url.path}.", 405: "This cannot be done here."}
    phrase = HTTPStatus(error.status_code).phrase
    detail = plain.get(error.status_code, phrase) if error.detail == phrase else str(error.detail)
    return problem(request, error.status_code, detail, dict(error.headers or {}))


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These failures as OpenAPI describes them, and those that every operation has."""
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({400, 404, 422, 503, *statuses})
    }
