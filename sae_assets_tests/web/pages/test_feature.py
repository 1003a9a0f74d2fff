"""A feature's page, its whole contexts, the history of its explanation, and the view for a frame."""

from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, SERIES
from sae_assets_tests.web.pages.conftest import EXPLAINED, HOSTILE, LATER, LIST, Site
from sae_assets_tests.web.pages.dom import Element

FEATURES = f"/saes/{SAE_ID}/default/features"


def active(site: Site) -> dict:
    """A feature that is active, as the API gives it."""
    page = site.client.get(f"/api/v1{FEATURES}", params={"sort": "max_act", "explained": "true"}).json()
    return site.client.get(f"/api/v1{FEATURES}/{page['items'][0]['index']}").json()


def windows(page: Element) -> list[Element]:
    return page.all("p", class_="window")


def test_a_feature_shows_what_the_api_gives(site: Site):
    feature = active(site)
    page = site.page(f"{FEATURES}/{feature['index']}")
    assert page.one("h1").text == f"Feature {feature['index']}"
    samples = [sample for one in feature["subsamples"] for sample in one["samples"]]
    assert len(windows(page)) == len(samples) > 5
    marked = [mark.text for mark in windows(page)[0].all("mark")]
    assert marked == [one["text"].strip() for one in samples[0]["segments"] if one["activation"]]
    assert len(page.one("table", class_="up").all("tr")) == len(feature["logits"]["top"])
    for title in ("Nearest by decoder", "Active together"):
        (heading,) = [one for one in page.all("h2") if one.text == title]
        assert heading
    assert len(page.all("ol", class_="near")) == 2


def test_an_explanation_is_shown_with_its_scores_and_whatever_it_holds(site: Site):
    page = site.page(f"{FEATURES}/9")
    explanation = page.one("section", class_="explanation")
    assert explanation.all("p", class_="text")[0].text == HOSTILE
    assert "detection 0.90" in explanation.text and "by a-model" in explanation.text
    assert explanation.one("textarea").raw_text == HOSTILE
    assert "<i>tag</i>" in page.one("input", name="tags")["value"]
    assert LIST in page.one("main").text


def test_previous_and_next_go_by_index_or_through_the_list_that_one_came_from(site: Site):
    def around(address: str) -> list[str]:
        page = site.page(address)
        return [one["href"] for one in page.all("a", rel="prev") + page.all("a", rel="next")]

    assert around(f"{FEATURES}/5") == [f"{FEATURES}/4", f"{FEATURES}/6"]
    assert around(f"{FEATURES}/0") == [f"{FEATURES}/1"]
    assert around(f"{FEATURES}/{D_SAE - 1}") == [f"{FEATURES}/{D_SAE - 2}"]
    within = "from=explained%3Dtrue"
    assert sorted(EXPLAINED) == [2, 5, 9]
    assert around(f"{FEATURES}/5?{within}") == [f"{FEATURES}/2?{within}", f"{FEATURES}/9?{within}"]
    assert around(f"{FEATURES}/5?from=nonsense%3D1") == [f"{FEATURES}/4", f"{FEATURES}/6"]


def test_a_dead_feature_says_so(site: Site):
    page = site.page(f"{FEATURES}/{DEAD}")
    assert "Dead: active on none of" in page.one("main").text


def test_a_whole_context_begins_and_ends_where_the_context_does(site: Site):
    page = site.page(f"{FEATURES}/{active(site)['index']}")
    link = page.all("a", class_="expand")[0]["href"]
    whole = site.page(link).one("div", data_fragment="")
    shown = windows(page)[0]
    assert len(whole.one("p", class_="text").text) > len(shown.text)
    assert {mark.text for mark in shown.all("mark")} <= {mark.text for mark in whole.all("mark")}


def test_a_context_that_is_no_sample_is_not_found(site: Site):
    assert "is no sample" in site.page(f"{FEATURES}/2/contexts/999999", status=404).one("main").text
    assert "no feature 64" in site.page(f"{FEATURES}/{D_SAE}/contexts/0", status=404).one("main").text


def test_the_history_tells_how_each_explanation_came_about(site: Site):
    feature = f"/saes/{SERIES}/{LATER}/default/features/20"
    for text in ("first", "second"):
        site.client.put(f"/api/v1{feature}/explanation", json={"text": text}).raise_for_status()
    versions = site.page(f"{feature}/explanations").one("ol", class_="versions").all("li")
    assert [one.one("p", class_="text").text for one in versions] == ["second current", "first"]
    assert all("written by hand" in one.text for one in versions)


def test_the_view_for_a_frame_has_no_navigation_and_may_be_framed(site: Site):
    response = site.client.get(f"/embed/{SAE_ID}/default/9")
    page = site.read(response)
    assert not page.all("nav") and not page.all("form") and not page.all("script")
    assert HOSTILE in page.one("main").text
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in site.client.get(f"{FEATURES}/9").headers["Content-Security-Policy"]
