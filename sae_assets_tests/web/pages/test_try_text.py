"""A text that a person types: the activations are those of the API, and the text is shown as it was typed."""

import pytest

from sae_assets_tests.project import SAE_ID
from sae_assets_tests.web.pages.conftest import HOSTILE, Site

PLACE = f"/saes/{SAE_ID}/default"
TEXT = f"\nThe river\r\n\tnaïve 日本語 👩‍🚀 {HOSTILE}"
READ = TEXT.replace("\r\n", "\n")
"""What a form sends for every line break is two characters; what was typed is one."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strongest(site: Site) -> list[dict]:
    """What the API says of each token."""
    asked = {"text": READ}
    return site.client.post(f"/api/v1{PLACE}/activations", json=asked).raise_for_status().json()["tokens"]


def test_each_token_of_a_text_leads_to_its_strongest_features(site: Site, strongest: list[dict]):
    page = site.read(site.client.post(f"{PLACE}/try", data={"text": TEXT}))
    assert page.one("textarea").raw_text.removeprefix("\n") == READ
    shown = page.one("p", class_="whole")
    assert shown.raw_text == READ
    links = shown.all("a")
    active = [token for token in strongest if token["strongest"]]
    assert [link.raw_text for link in links] == [token["text"].lstrip(" ") or token["text"] for token in active]
    for link, token in zip(links, active, strict=True):
        row = page.one("tr", id=link["href"].removeprefix("#"))
        listed = [int(one.one("a").text) for one in row.all("li")]
        assert listed == [feature["index"] for feature in token["strongest"]]


def test_a_feature_is_shaded_on_the_tokens_on_which_it_is_active(site: Site, strongest: list[dict]):
    index = next(token for token in strongest if token["strongest"])["strongest"][0]["index"]
    page = site.read(site.client.post(f"{PLACE}/features/{index}/try", data={"text": TEXT}))
    asked = {"text": READ, "feature": index}
    tokens = site.client.post(f"/api/v1{PLACE}/activations", json=asked).raise_for_status().json()["tokens"]
    shown = page.one("p", class_="whole")
    assert shown.raw_text == READ
    assert len(shown.all("mark")) == sum(token["activation"] > 0 for token in tokens) > 0
    values = [row.all("td")[1].text for row in page.one("tbody").all("tr")]
    assert sum(value != "0" for value in values) == len(shown.all("mark"))


@pytest.mark.parametrize("text", ["", " \r\n ", "x" * 8001])
def test_a_text_that_cannot_be_read_is_a_sentence_beside_it(site: Site, text: str):
    page = site.read(site.client.post(f"{PLACE}/try", data={"text": text}), status=400)
    assert page.one("p", role="alert").text.startswith(("There is no text", "The text has 8,001 characters"))
    assert page.one("textarea").raw_text.removeprefix("\n") == text.replace("\r\n", "\n")


def test_the_form_says_what_it_does_and_that_the_first_text_takes_long(site: Site):
    page = site.page(f"{PLACE}/features/2/try")
    assert "mentions of rivers and lakes" in page.one("main").text
    assert "half a minute" in page.one("form", method="post").text
    site.page(f"{PLACE}/features/64/try", status=404)


def test_another_site_cannot_send_a_text(site: Site):
    response = site.client.post(f"{PLACE}/try", data={"text": "x"}, headers={"Origin": "http://elsewhere.example"})
    assert response.status_code == 403
