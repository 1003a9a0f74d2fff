"""The examples of docs/api.md do what they say; the API's own description is whole and needs no outside network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def examples(web: Web, language: str) -> list[str]:
    """The code of the page, for the checkpoint and the server of the tests."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)
    base = str(web.client.base_url).rstrip("/")
    return [code.replace("http://127.0.0.1:3001", base).replace("demo/smollm2-l10", SAE_ID) for code in found]


def run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_curl_examples_do_what_they_say(web: Web):
    search, bookmark = examples(web, "sh")
    page = json.loads(run("sh", "-c", search))
    assert page["total"] > 0 and all("rivers" in item["explanation"] for item in page["items"])
    run("sh", "-c", bookmark)
    assert web.features(bookmarked="yes", q="17")["items"][0]["index"] == 17
    web.client.delete(f"/api/v1/lists/bookmarks/items/{SAE_ID}/17").raise_for_status()


def test_the_python_example_prints_every_rare_feature(web: Web):
    (code,) = examples(web, "python")
    printed = run(sys.executable, "-c", code.replace("0.001", "0.15"))
    assert len(printed.splitlines()) == web.features(state="alive", max_density=0.15)["total"] > 0


def test_every_path_of_the_api_is_on_the_page(web: Web):
    page = PAGE.read_text(encoding="utf-8").replace("...", "/saes/{series}/{name}/{analysis}")
    page = page.replace("{list}", "{list_name}")
    for path in web.client.get("/api/v1/openapi.json").json()["paths"]:
        assert f"{path.removeprefix('/api/v1')}`" in page, path


def test_every_operation_parameter_and_field_is_described(web: Web):
    schema = web.client.get("/api/v1/openapi.json").json()
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert all(parameter["description"] for parameter in operation.get("parameters", [])), path
            assert "Problem" in json.dumps(operation["responses"]["422"]), path
    for name, model in schema["components"]["schemas"].items():
        for field, about in model.get("properties", {}).items():
            assert about.get("description"), f"{name}.{field}"


def test_the_description_is_readable_without_outside_network(web: Web):
    page = web.client.get("/docs")
    assert page.status_code == 200 and "://" not in page.text
    for address in re.findall(r'(?:src|href|data-openapi)="([^"]+)"', page.text):
        assert web.client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", ["/redoc", "/openapi.json"])
def test_it_is_in_one_place_only(web: Web, path: str):
    assert web.client.get(path).status_code == 404
