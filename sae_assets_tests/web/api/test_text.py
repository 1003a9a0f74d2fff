"""Try a text over the API, with the real model in its process, and the limit of how often."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sae_assets.web.app import create_app
from sae_assets.web.inference.rate_limit import RateLimit
from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.conftest import Web
from sae_assets_tests.web.serving import serving

ACTIVATIONS = f"/api/v1/saes/{SAE_ID}/default/activations"
TEXT = "the river 日本語 👩‍🚀\tnaïve <b>"


@pytest.fixture(scope="module")
def limited(web: Web) -> Iterator[httpx.Client]:
    """A client of a server that takes two texts at once and one more in ten minutes."""
    app = create_app(web.context)
    app.state.rate_limit = RateLimit(a_minute=0.1, burst=2)
    with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
        yield client


def test_the_strongest_features_of_each_token_come_with_their_explanations(web: Web):
    found = web.client.post(ACTIVATIONS, json={"text": TEXT, "n_features": 3}).json()
    assert "".join(token["text"] for token in found["tokens"]) == TEXT
    assert not found["is_truncated"]
    for token in found["tokens"]:
        values = [active["activation"] for active in token["strongest"]]
        assert values == sorted(values, reverse=True) and len(values) <= 3
    named = {active["index"] for token in found["tokens"] for active in token["strongest"]}
    assert named and {int(index) for index in found["explanations"]} == named & web.explained


def test_one_feature_is_as_strong_as_among_the_strongest(web: Web):
    among = web.client.post(ACTIVATIONS, json={"text": TEXT}).json()["tokens"]
    index, value = among[0]["strongest"][0].values()
    alone = web.client.post(ACTIVATIONS, json={"text": TEXT, "feature": index}).json()["tokens"]
    assert alone[0]["activation"] == pytest.approx(value) and alone[0]["strongest"] == []


@pytest.mark.parametrize("wrong", [{"text": ""}, {"text": "x" * 8001}, {"text": "a", "n_features": 51}, {}])
def test_texts_have_a_length(web: Web, wrong: dict):
    assert web.client.post(ACTIVATIONS, json=wrong).status_code == 422


@pytest.mark.parametrize("index", [64, -1, 10**30])
def test_a_feature_that_does_not_exist_is_not_tried(web: Web, index: int):
    response = web.client.post(ACTIVATIONS, json={"text": "a", "feature": index})
    assert response.status_code == 404 and "they go from 0 to 63" in response.json()["detail"]


def test_who_asks_too_often_is_told_when_to_come_back(limited: httpx.Client):
    answers = [limited.post(ACTIVATIONS, json={"text": "a"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["retry-after"]) <= 600
    assert answers[2].headers["content-type"] == "application/problem+json"
    assert limited.get("/api/v1/saes").status_code == 200
