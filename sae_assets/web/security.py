"""What a request must be before the app sees it, and what every answer tells the browser to forbid.

A page of another site cannot reach this server: not by a name that it lets point here (the Host header is checked), not
by a form or script (what changes something must come from here), not in a frame.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sae_assets.web.login import LOGIN, login_page, place_to_go
from sae_assets.web.problems import problem

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_BYTES = 256 << 10
"""The largest body of a request."""
COOKIE = "sae_assets_token"
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors {}; base-uri 'none'; form-action 'self'"
EMBEDDED = "/embed/"
"""Pages below may stand in a frame of another site; they change nothing."""
PUBLIC = "/static/"
"""Files below need no token: they are the same for everybody, and the login page needs them."""


@dataclass(frozen=True)
class Access:
    """Who may ask."""

    hosts: frozenset[str] = LOOPBACK
    """Names in the Host header that mean this server."""
    is_any_address: bool = False
    """Whether every address in numbers means it too; no other site can be reached by one."""
    token: str | None = None
    """What a client must know; None where nothing need be known."""

    @staticmethod
    def of(host: str, allowed: tuple[str, ...] = (), token: str | None = None) -> Access:
        """Who may ask a server that listens on this address.

        Args:
            allowed: further names by which it is reached, behind a proxy or from other machines.
        """
        own = {host.lower()}
        is_wildcard = host in ("0.0.0.0", "::", "")
        if is_wildcard:
            own = {socket.gethostname().lower(), socket.getfqdn().lower()}
        return Access(LOOPBACK | own | {name.lower() for name in allowed}, is_wildcard, token or None)

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header means this server."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.hosts or (self.is_any_address and _is_address(name))

    def is_known(self, given: str) -> bool:
        """Whether this is the token, found out in a time that says nothing about it."""
        return self.token is not None and secrets.compare_digest(given.encode(), self.token.encode())

    @property
    def cookie(self) -> str:
        """What the browser keeps in place of the token."""
        return hashlib.sha256(f"sae-assets:{self.token}".encode()).hexdigest()


class Guard:
    """Lets through what may ask, and puts the headers on every answer."""

    def __init__(self, app: ASGIApp, access: Access):
        """`app` is what is guarded."""
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or passes on a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send, scope["path"])
        request = Request(scope, receive)
        refusal = self._refusal(request)
        if refusal is None:
            body = await _body(request)
            if body is None:
                refusal = problem(request, 413, f"The request is larger than {MOST_BYTES >> 10} KB.")
            else:
                refusal = self._login(request, body)
                receive = _again(body, receive)
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not self._access.is_own_host(host):
            return problem(
                request,
                421,
                f"This server does not answer to the name {host!r}; start it with `--allow-host NAME` for others.",
            )
        if request.method not in SAFE_METHODS and not _is_same_origin(request.headers):
            return problem(request, 403, "A page of another site cannot change anything here.")
        return None

    def _login(self, request: Request, body: bytes) -> Response | None:
        """How a client that must know the token, and does not show it, is answered."""
        if self._access.token is None or request.url.path.startswith(PUBLIC):
            return None
        if request.url.path == LOGIN and request.method == "POST":
            form = dict(parse_qsl(body.decode(errors="replace")))
            if self._access.is_known(form.get("token", "")):
                return self._welcomed(request, place_to_go(form.get("next", "/")))
            return login_page(form.get("next", "/"), is_wrong=True)
        query = parse_qsl(request.url.query, keep_blank_values=True)
        given = dict(query).get("token")
        if given is not None and request.method == "GET" and self._access.is_known(given):
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            return self._welcomed(request, place_to_go(request.url.path + (f"?{rest}" if rest else "")))
        if self._shows_token(request.headers):
            return None
        if request.url.path.startswith("/api/"):
            headers = {"WWW-Authenticate": "Bearer"}
            return problem(request, 401, "This server needs its token: `Authorization: Bearer ...`.", headers)
        return login_page(request.url.path + (f"?{request.url.query}" if request.url.query and given is None else ""))

    def _shows_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._access.is_known(given.strip()):
            return True
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return kept is not None and secrets.compare_digest(kept.value.encode(), self._access.cookie.encode())

    def _welcomed(self, request: Request, place: str) -> Response:
        response = RedirectResponse(place, 303)
        is_secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, self._access.cookie, httponly=True, samesite="strict", secure=is_secure)
        return response


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_same_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site not in ("same-origin", "none"):
        return False
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


async def _body(request: Request) -> bytes | None:
    """The whole body; None where it is too large."""
    if request.method in SAFE_METHODS:
        return b""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MOST_BYTES:
        return None
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body to the app as if it had not been read yet."""
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _with_headers(send: Send, path: str) -> Send:
    may_be_framed = path.startswith(EMBEDDED)

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY.format("*" if may_be_framed else "'none'")
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "same-origin"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
        await send(message)

    return guarded
