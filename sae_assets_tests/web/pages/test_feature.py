"""A feature's page, its whole contexts, the history of its explanation, and the view for a frame."""

from sae_assets.store.contexts import contexts_by_idx
from sae_assets.store.explanations import save_explanations
from sae_assets.store.failures import save_failures
from sae_assets.store.kept_documents import ExplanationFailureDocument, ExplanationVersionDocument
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, SERIES, TinyProject
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


def test_the_history_shows_scores_costs_and_what_was_misjudged(site: Site, shown_project: TinyProject):
    feature = f"/saes/{SERIES}/{LATER}/default/features/21"
    counts = {"true_positive": 5, "false_positive": 1, "true_negative": 4, "false_negative": 0}
    measures = {"accuracy": 0.9, "precision": 5 / 6, "recall": 1.0, "f1": 10 / 11}
    asked = {"n": 10, "n_unparsable": 2, "counts": counts, **measures, "verdicts": [[3, False, True], [2, True, True]]}
    written = ExplanationVersionDocument(
        sae=f"{SERIES}/{LATER}",
        analysis="default",
        index=21,
        text="old fields",
        scores=[
            {"scorer": "detection", "value": 0.9, "reason": None, **asked},
            {"scorer": "embedding", "value": None, "n": 0, "n_unparsable": 0, "counts": None, "reason": HOSTILE},
        ],
        explainer="delphi",
        prompt_hash="abc123",
        prompt=HOSTILE,
        usage={"requests": 3, "prompt_tokens": 1200, "completion_tokens": 34, "reread_tokens": 0, "cost": 0.00042},
    )
    with shown_project.store() as store:
        save_explanations(store, [written])
        text = contexts_by_idx(store, find_analysis(store, written.sae).analysis.source or "", [3])[3].text
    (version,) = site.page(f"{feature}/explanations").one("ol", class_="versions").all("li")[:1]
    assert "; 3 requests, 1,200 tokens of prompts and 34 of answers, $0.00042" in version.text
    rows = [[cell.text for cell in row.all("th") + row.all("td")] for row in version.one("tbody").all("tr")]
    assert rows[0] == ["detection", "0.90", "10", "2", "5 1 4 0", "0.90", "0.83", "1.00", "0.91"]
    assert rows[1] == ["embedding", "–", "0", "0", "–", "–", "–", "–", "–"]
    assert rows[2] == [f"embedding: {HOSTILE}"]
    (wrong,) = version.one("ul", class_="misjudged").all("li")
    assert "detection: said yes, right is no; context 3" in wrong.text
    assert "Prompt (delphi, version abc123)" in version.text
    (told,) = site.client.get(f"/api/v1{feature}/explanations").json()["misjudged"]
    assert (told["scorer"], told["context_idx"], told["is_positive"]) == ("detection", 3, False)
    assert told["text"] and told["text"] in text


def test_a_feature_that_could_not_be_explained_says_why(site: Site, shown_project: TinyProject):
    failure = ExplanationFailureDocument(
        sae=f"{SERIES}/{LATER}", analysis="default", index=22, reason=HOSTILE, kind="answer", answer=f"said {HOSTILE}"
    )
    with shown_project.store() as store:
        save_failures(store, [failure])
    feature = f"/saes/{SERIES}/{LATER}/default/features/22"
    assert f"Not explained yet. The last run could not: {HOSTILE}" in site.page(feature).one("main").text
    assert "What was answered" in site.page(feature).one("main").text
    history = site.page(f"{feature}/explanations").one("main").text
    assert f"The last run could not explain it: {HOSTILE}" in history and f"said {HOSTILE}" in history
    assert site.client.get(f"/api/v1{feature}/explanations").json()["failed_answer"] == f"said {HOSTILE}"
    assert site.client.get(f"/api/v1{feature}").json()["failure"] == HOSTILE
    assert site.client.get(f"/api/v1{FEATURES}/9").json()["failure"] is None


def test_the_view_for_a_frame_has_no_navigation_and_may_be_framed(site: Site):
    response = site.client.get(f"/embed/{SAE_ID}/default/9")
    page = site.read(response)
    assert not page.all("nav") and not page.all("form") and not page.all("script")
    assert HOSTILE in page.one("main").text
    assert "frame-ancestors *" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in site.client.get(f"{FEATURES}/9").headers["Content-Security-Policy"]
