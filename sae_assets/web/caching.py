"""Nothing is sent twice: answers to GET have an ETag, and files with a hash in their address are kept for ever."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ASK_AGAIN = "no-cache"
"""The browser keeps the answer, and asks each time whether it is still right."""
FOR_EVER = "public, max-age=31536000, immutable"


class Etags:
    """Answers "not modified" where the client has the answer already."""

    def __init__(self, app: ASGIApp):
        """`app` gives the answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and holds the answer to a GET back until it is whole."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def held(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body", False):
                await _answer(scope, start, bytes(body), send)

        await self._app(scope, receive, held)


async def _answer(scope: Scope, start: Message, body: bytes, send: Send) -> None:
    headers = MutableHeaders(scope=start)
    headers.setdefault("Cache-Control", _cache_control(scope))
    if start["status"] == 200 and "etag" not in headers:
        # Weak, as the same answer may be sent compressed or not.
        headers["ETag"] = etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        if _has(Headers(scope=scope).get("if-none-match", ""), etag):
            start["status"], body = 304, b""
            for name in ("content-length", "content-type"):
                del headers[name]
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _cache_control(scope: Scope) -> str:
    has_hash = scope["path"].startswith("/static/") and scope["query_string"].startswith(b"v=")
    return FOR_EVER if has_hash else ASK_AGAIN


def _has(given: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags
