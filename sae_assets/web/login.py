"""The page that asks for the token, where the server was started with one."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

LOGIN = "/login"
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Token · sae-assets</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<main>
<h1>This server needs its token</h1>
<p>It is the one that <code>sae-assets serve</code> was started with.</p>
{message}
<form method="post" action="{login}">
<input type="hidden" name="next" value="{place}">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button type="submit" class="primary">Go on</button>
</form>
</main>
</body>
</html>
"""


def login_page(place: str, *, is_wrong: bool = False) -> HTMLResponse:
    """The page; once the token is known, it leads to `place`."""
    message = '<p role="alert">This is not the token.</p>' if is_wrong else ""
    return HTMLResponse(PAGE.format(message=message, login=LOGIN, place=escape(place_to_go(place))), 401)


def place_to_go(place: str) -> str:
    """The place on this server, or its first page: nobody is led to another site."""
    is_here = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable()
    return place if is_here and place != LOGIN else "/"
