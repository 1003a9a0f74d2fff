"""ETags, files that are kept for ever, and compression."""

from __future__ import annotations

import pytest

from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web

FEATURE = f"/api/v1/saes/{SAE_ID}/default/features/58"


@pytest.mark.parametrize(
    "path", ["/api/v1/saes", FEATURE, "/", f"/saes/{SAE_ID}/default/features", "/static/style.css"]
)
def test_an_answer_that_the_client_has_is_not_sent_again(web: Web, path: str):
    first = web.client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    for known in (first.headers["etag"], f'"other", {first.headers["etag"]}'):
        again = web.client.get(path, headers={"If-None-Match": known})
        assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == first.headers["etag"]
    assert web.client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_a_change_changes_the_etag(web: Web):
    before = web.client.get(FEATURE).headers["etag"]
    web.client.put(f"/api/v1/saes/{SAE_ID}/features/58/annotation", json={"note": "new"}).raise_for_status()
    assert web.client.get(FEATURE, headers={"If-None-Match": before}).status_code == 200


def test_files_with_a_hash_in_their_address_are_kept_for_ever(web: Web):
    headers = web.client.get("/static/style.css?v=abc").headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"


def test_failures_have_no_etag(web: Web):
    assert "etag" not in web.client.get("/api/v1/nothing").headers


def test_large_answers_are_compressed_for_those_who_can_read_it(web: Web):
    zipped = web.client.get(FEATURE, headers={"Accept-Encoding": "gzip"})
    plain = web.client.get(FEATURE, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert zipped.content == plain.content and zipped.headers["etag"] == plain.headers["etag"]
    assert int(zipped.headers["content-length"]) < len(plain.content)
