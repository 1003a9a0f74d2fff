"""What fails is problem+json for programs and a page for people."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from sae_assets.settings.errors import UnreachableError, UserError
from sae_assets.web.app import create_app
from sae_assets.web.inference.child import BusyError
from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web
from sae_assets_tests.web.serving import serving

FAILURES = {
    "user": (UserError("A sentence."), 400),
    "unreachable": (UnreachableError("MongoDB does not answer."), 503),
    "busy": (BusyError("Later."), 503),
    "unforeseen": (RuntimeError("a secret"), 500),
}


@pytest.fixture(scope="module")
def failing(web: Web) -> Iterator[httpx.Client]:
    """A client of the app with routes that fail."""
    app: FastAPI = create_app(web.context)

    def fail(kind: str) -> None:
        raise FAILURES[kind][0]

    app.add_api_route("/api/v1/fail/{kind}", fail)
    app.add_api_route("/fail/{kind}", fail)
    with serving(app) as url, httpx.Client(base_url=url) as client:
        yield client


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_has_the_status_of_its_kind(failing: httpx.Client, kind: str):
    error, status = FAILURES[kind]
    response = failing.get(f"/api/v1/fail/{kind}")
    assert response.status_code == status and response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["detail"] == str(error) if status != 500 else "a secret" not in response.text
    assert ("retry-after" in response.headers) == (status == 503)
    assert "content-security-policy" in response.headers


@pytest.mark.parametrize("kind", FAILURES)
def test_people_get_a_page(failing: httpx.Client, kind: str):
    error, status = FAILURES[kind]
    response = failing.get(f"/fail/{kind}")
    assert response.status_code == status and response.headers["content-type"].startswith("text/html")
    assert (str(error) in response.text) == (status != 500)
    assert "content-security-policy" in response.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), (f"/saes/{SAE_ID}/default/features/64", 404), (f"/saes/{SAE_ID}/default/features?sort=x", 422)],
)
def test_pages_and_api_agree_on_what_is_wrong(web: Web, path: str, status: int):
    for place in (path, f"/api/v1{path}"):
        assert web.client.get(place).status_code == status


def test_what_cannot_be_done_says_what_can(web: Web):
    response = web.client.post("/api/v1/saes")
    assert response.status_code == 405 and response.headers["allow"] == "GET"
    assert response.headers["content-type"] == "application/problem+json"


def test_wrong_values_are_named(web: Web):
    response = web.client.put(f"/api/v1/saes/{SAE_ID}/features/3/annotation", json={"tagz": [], "note": 3})
    assert response.status_code == 422
    assert response.json()["parameters"] == ["body.note", "body.tagz"]


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"note": NaN}', b'{"note": "\\ud800"}', b"[1]", b""])
def test_what_is_no_json_of_the_right_form_is_refused(web: Web, body: bytes):
    headers = {"Content-Type": "application/json"}
    response = web.client.put(f"/api/v1/saes/{SAE_ID}/features/3/annotation", content=body, headers=headers)
    assert response.status_code in (400, 422) and response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/saes/%00/x/default", "/api/v1/saes/%FF/x/default", "/api/v1/lists/%F0%9F"])
def test_odd_characters_in_a_path_name_nothing(web: Web, path: str):
    assert web.client.get(path).status_code == 404
