"""Who may ask: the Host header, the origin of changes, the token, the size of a request; and what every answer says."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sae_assets.web.app import create_app
from sae_assets.web.login import place_to_go
from sae_assets.web.security import MOST_BYTES, Access
from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web
from sae_assets_tests.web.serving import serving

TOKEN = "a token & more"
ANNOTATION = f"/api/v1/saes/{SAE_ID}/features/60/annotation"


@pytest.fixture(scope="module")
def guarded(web: Web) -> Iterator[httpx.Client]:
    """A client of a server that asks for a token, and shows none."""
    app = create_app(web.context, Access.of("127.0.0.1", token=TOKEN))
    with serving(app) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.fixture
def stranger(guarded: httpx.Client) -> httpx.Client:
    """The same client without cookies."""
    guarded.cookies.clear()
    return guarded


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:3001", "LocalHost", "[::1]:8000"])
def test_the_loopback_is_answered_by_its_names(web: Web, host: str):
    assert web.client.get("/api/v1/saes", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[", "a:b:c"])
def test_other_names_are_refused(web: Web, host: str):
    response = web.client.get("/api/v1/saes", headers={"Host": host})
    assert response.status_code in (400, 421)
    if response.status_code == 421:
        assert response.headers["content-type"] == "application/problem+json"
        assert "--allow-host" in response.json()["detail"]


def test_names_that_are_allowed_mean_the_server_too():
    access = Access.of("10.0.0.5", ("Saes.Example",))
    assert all(map(access.is_own_host, ("10.0.0.5:80", "saes.example", "localhost")))
    assert not access.is_own_host("10.0.0.6")


def test_a_server_on_all_addresses_answers_to_each_address_but_to_no_other_sites_name():
    access = Access.of("0.0.0.0")
    assert access.is_own_host("192.168.1.7:3001") and access.is_own_host("[fe80::1]:3001")
    assert not access.is_own_host("evil.example")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_page_of_another_site_changes_nothing(web: Web, headers: dict[str, str]):
    for method, path in (("PUT", ANNOTATION), ("POST", "/api/v1/lists"), ("DELETE", "/api/v1/lists/bookmarks")):
        response = web.client.request(method, path, headers=headers, json={"note": "x"})
        assert response.status_code == 403 and "another site" in response.json()["detail"]
    assert web.client.get(ANNOTATION).json()["note"] == ""


def test_own_pages_and_programs_may_change_things(web: Web):
    own = f"http://{web.client.base_url.host}:{web.client.base_url.port}"
    for headers in ({}, {"Origin": own, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert web.client.put(ANNOTATION, json={}, headers=headers).status_code == 200


def test_reading_is_not_limited_to_own_pages(web: Web):
    assert web.client.get("/api/v1/saes", headers={"Origin": "http://evil.example"}).status_code == 200


def test_every_answer_forbids_what_no_page_needs(web: Web):
    for path in ("/", "/api/v1/saes", "/nothing", "/static/style.css", "/docs"):
        headers = web.client.get(path).headers
        assert "script-src" not in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in headers or "uvicorn" in headers["server"]


def test_only_embedded_features_may_be_framed(web: Web):
    policy = web.client.get(f"/embed/{SAE_ID}/default/3").headers["content-security-policy"]
    assert "frame-ancestors *" in policy


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_large_body_is_refused_before_it_is_read(web: Web, is_announced: bool):
    body = b'{"note": "' + b"x" * MOST_BYTES + b'"}'
    content = body if is_announced else iter([body[:1000], body[1000:]])
    response = web.client.put(ANNOTATION, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 413 and response.json()["title"] == "Request Entity Too Large"


def test_without_the_token_nothing_is_told(stranger: httpx.Client):
    response = stranger.get("/api/v1/saes")
    assert response.status_code == 401 and response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/problem+json"
    page = stranger.get(f"/saes/{SAE_ID}/default")
    assert page.status_code == 401 and "tiny-model" not in page.text and "needs its token" in page.text


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"])
def test_what_is_not_the_token_does_not_help(stranger: httpx.Client, shown: str):
    headers = httpx.Headers([(b"Authorization", shown.encode("latin-1"))])
    assert stranger.get("/api/v1/saes", headers=headers).status_code == 401
    assert stranger.get("/api/v1/saes", headers={"Cookie": f"sae_assets_token={TOKEN}"}).status_code == 401


def test_a_program_shows_the_token_in_a_header(stranger: httpx.Client):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert stranger.get("/api/v1/saes", headers=headers).status_code == 200
    assert stranger.put(ANNOTATION, json={}, headers=headers).status_code == 200


def test_programs_without_the_token_change_nothing(stranger: httpx.Client):
    assert stranger.put(ANNOTATION, json={}).status_code == 401


def test_a_person_shows_it_once_in_the_address_which_then_goes(stranger: httpx.Client):
    response = stranger.get("/saes", params={"token": TOKEN, "q": "a b"})
    assert response.status_code == 303 and response.headers["location"] == "/saes?q=a+b"
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert stranger.get("/").status_code == 200


def test_a_person_types_it_in(stranger: httpx.Client):
    wrong = stranger.post("/login", data={"token": "x", "next": "/lists"})
    assert wrong.status_code == 401 and "This is not the token" in wrong.text
    right = stranger.post("/login", data={"token": TOKEN, "next": "/lists?q=1"})
    assert right.status_code == 303 and right.headers["location"] == "/lists?q=1"
    assert stranger.get("/lists").status_code == 200


def test_files_of_the_pages_need_no_token(stranger: httpx.Client):
    assert stranger.get("/static/style.css").status_code == 200


@pytest.mark.parametrize(
    "place", ["//evil.example", "/\\evil.example", "http://evil.example", "", "/a\r\nSet-Cookie: x"]
)
def test_nobody_is_led_to_another_site(place: str):
    assert place_to_go(place) == "/"
