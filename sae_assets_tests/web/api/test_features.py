"""The list of features against a plain filter and sort over the features one by one, and one feature."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_feature
from sae_assets.web.query import PAGE
from sae_assets_tests.project import D_SAE, DEAD, NAME, SAE_ID
from sae_assets_tests.web.conftest import WORDS, Web

FEATURES = f"/saes/{SAE_ID}/default/features"
SORTS = ("index", "density", "max_act", "mean_act", "score", "top_logit")
LISTED = f"/lists/bookmarks/items/{SAE_ID}"


@pytest.fixture(scope="module")
def known(web: Web) -> list[dict[str, Any]]:
    """Every feature as its own page says it, with marks on a few."""
    for index in (1, 8, 20):
        assert web.client.put(f"/api/v1{LISTED}/{index}").status_code == 204
    for index, tags in ((2, ["$ne"]), (8, ["one", "two"])):
        web.client.put(f"/api/v1/saes/{SAE_ID}/features/{index}/annotation", json={"tags": tags}).raise_for_status()
    return [web.get(f"{FEATURES}/{index}").json() for index in range(D_SAE)]


def walked(web: Web, **query: object) -> list[int]:
    """The indices of all pages, one after the other."""
    found: list[int] = []
    page = web.features(**query)
    while True:
        assert len(page["items"]) <= PAGE and page["start"] == len(found)
        found += [item["index"] for item in page["items"]]
        if page["next"] is None:
            assert page["total"] == len(found)
            return found
        page = web.features(**query, cursor=page["next"])


def score_of(feature: dict[str, Any], scorer: str = "detection") -> float | None:
    scores = feature["explanation"]["scores"] if feature["explanation"] else []
    return next((score["value"] for score in scores if score["scorer"] == scorer), None)


def value_of(feature: dict[str, Any], sort: str) -> float | None:
    if sort == "index":
        return feature["index"]
    if sort == "score":
        return score_of(feature)
    if sort == "top_logit":
        return feature["logits"]["top"][0]["logit"]
    return feature["statistics"][sort]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_give_every_feature_once_in_the_order_that_is_asked_for(
    web: Web, known: list[dict[str, Any]], sort: str, order: str
):
    sign = 1 if order == "asc" else -1

    def key(index: int) -> tuple[float, int]:
        value = value_of(known[index], sort)
        return (math.inf if value is None else sign * value), index

    assert walked(web, sort=sort, order=order) == sorted(range(D_SAE), key=key)


@pytest.mark.parametrize("sort", SORTS)
def test_the_page_before_is_the_one_that_one_came_from(web: Web, sort: str):
    first = web.features(sort=sort)
    second = web.features(sort=sort, cursor=first["next"])
    again = web.features(sort=sort, cursor=second["previous"])
    assert (first["previous"], second["next"]) == (None, None)
    assert again == first


def some(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.none() | strategy


QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "q": st.sampled_from(
            ["rivers", "STRASSE", "rivers lakes", "$gt", "日", "17", " e", "\\x", "nothing of this", ".*"]
        ),
        "min_density": st.sampled_from([0.0, 0.05, 0.1498]),
        "max_density": st.sampled_from([0.1, 0.2, 1.0]),
        "min_log_density": st.sampled_from([-2.0, -1.0]),
        "max_log_density": st.sampled_from([-0.75, 0.0]),
        "min_act": st.sampled_from([0.0, 0.25]),
        "max_act": st.sampled_from([0.3, 5.0]),
        "min_score": st.sampled_from([0.0, 0.5]),
        "max_score": st.sampled_from([0.5, 1.0]),
        "state": st.sampled_from(["all", "alive", "dead"]),
        "bookmarked": st.booleans(),
        "annotated": st.booleans(),
        "explained": st.booleans(),
        "tag": st.sampled_from(["one", "$ne", "none"]),
        "list": st.sampled_from(["bookmarks", "no such list"]),
    },
)


def fits(feature: dict[str, Any], query: dict[str, Any]) -> bool:
    statistics, explanation = feature["statistics"], feature["explanation"]
    density, is_alive, score = statistics["density"], statistics["act_times"] > 0, score_of(feature)
    log_density = math.log10(density) if is_alive else None
    is_marked = bool(feature["tags"] or feature["note"])
    return (
        ("q" not in query or found_by(feature, query["q"]))
        and is_in(density, query.get("min_density"), query.get("max_density"), 1.0)
        and is_in(log_density, query.get("min_log_density"), query.get("max_log_density"), 0.0)
        and is_in(statistics["max_act"], query.get("min_act"), query.get("max_act"), None)
        and is_in(score, query.get("min_score"), query.get("max_score"), 1.0)
        and query.get("state", "all") in ("all", "alive" if is_alive else "dead")
        and query.get("bookmarked", feature["is_bookmarked"]) == feature["is_bookmarked"]
        and query.get("annotated", is_marked) == is_marked
        and query.get("explained", explanation is not None) == (explanation is not None)
        and ("tag" not in query or query["tag"] in feature["tags"])
        and ("list" not in query or query["list"] in feature["lists"])
    )


def found_by(feature: dict[str, Any], words: str) -> bool:
    text = words.strip().casefold()
    explanation = (feature["explanation"] or {"text": ""})["text"].casefold()
    tokens = [token["text"].casefold() for token in feature["logits"]["top"]]
    is_explained = all(word in explanation for word in text.split())
    return str(feature["index"]) == text or is_explained or any(text in token for token in tokens)


def is_in(value: float | None, low: float | None, high: float | None, largest: float | None) -> bool:
    if low is None and high is None:
        return True
    if value is None:
        return False
    return (low is None or value >= low) and (high is None or value < high or value == high == largest)


@given(QUERIES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_and_searches_find_what_a_plain_filter_finds(
    web: Web, known: list[dict[str, Any]], query: dict[str, Any]
):
    found = walked(web, **query, sort="index")
    expected = [feature["index"] for feature in known if fits(feature, query)]
    assert sorted(found) == expected


def test_a_bare_number_is_found_first_as_an_index(web: Web):
    assert web.features(q="17")["items"][0]["index"] == 17
    assert web.features(q="17", sort="density")["items"][0]["index"] == 17


def test_words_in_explanations_come_before_texts_of_tokens(web: Web):
    items = web.features(q="in")["items"]  # "mentions of ..." holds none, "lines"-like tokens may
    places = [bool(item["explanation"] and "in" in item["explanation"].casefold()) for item in items]
    assert places == sorted(places, reverse=True)


def test_an_item_says_what_the_page_of_the_feature_says(web: Web, known: list[dict[str, Any]]):
    for item in web.features()["items"]:
        feature = known[item["index"]]
        assert item["density"] == feature["statistics"]["density"]
        assert item["max_act"] == pytest.approx(feature["statistics"]["max_act"])
        assert item["mean_act"] == feature["statistics"]["mean_act"]
        assert item["is_dead"] == (feature["statistics"]["act_times"] == 0)
        assert item["explanation"] == (feature["explanation"] and feature["explanation"]["text"])
        assert item["scores"].get("detection") == score_of(feature)
        assert item["top_tokens"] == [token["text"] for token in feature["logits"]["top"]][: len(item["top_tokens"])]
        assert item["tags"] == feature["tags"] and item["is_bookmarked"] == feature["is_bookmarked"]


def test_operators_of_mongodb_are_plain_text(web: Web):
    for text in ('{"$gt": ""}', "$gt", "{$ne: null}"):
        assert all("$gt" in item["explanation"] for item in web.features(q=text)["items"])
        assert web.features(list=text)["total"] == 0
        assert web.features(tag=text)["total"] == 0
    assert web.get('/saes/{"$gt": ""}/sae-l0/default').status_code == 404
    assert web.get("/saes/tiny/sae-l0/default/features", **{"q[$gt]": ""}).status_code == 422


def test_a_form_sends_empty_fields_for_what_is_not_asked_for(web: Web):
    assert web.features(q="", min_density="", list="", sort="", bookmarked="")["total"] == D_SAE


@pytest.mark.parametrize(
    "query",
    [{"min_act": "nan"}, {"max_density": "inf"}, {"sort": "name"}, {"min_density": "x"}, {"cursor": "x"}, {"min": "1"}],
)
def test_nonsense_is_refused_with_the_name_of_the_parameter(web: Web, query: dict[str, str]):
    response = web.get(FEATURES, **query)
    assert response.status_code in (400, 422)
    assert next(iter(query)) in response.json()["detail"]


def test_a_cursor_holds_for_its_own_list_only(web: Web):
    cursor = web.features(sort="density")["next"]
    assert web.get(FEATURES, sort="density", cursor=cursor).status_code == 200
    assert web.get(FEATURES, sort="max_act", cursor=cursor).status_code == 400


def test_paging_goes_on_after_a_feature_that_left_the_list(web: Web):
    web.client.put(f"/api/v1{LISTED}/49").raise_for_status()
    first = web.features(bookmarked="false")
    last = first["items"][-1]["index"]
    web.client.put(f"/api/v1{LISTED}/{last}").raise_for_status()
    rest = web.features(bookmarked="false", cursor=first["next"])
    assert min(item["index"] for item in rest["items"]) > last
    for index in (49, last):
        web.client.delete(f"/api/v1{LISTED}/{index}").raise_for_status()


def test_a_random_feature_is_one_of_the_list(web: Web):
    drawn = {web.get(f"{FEATURES}/random", min_density=0.1, max_density=0.2).json()["index"] for _ in range(30)}
    assert drawn <= set(walked(web, min_density=0.1, max_density=0.2)) and len(drawn) > 1


def test_a_random_feature_without_a_filter_is_alive(web: Web):
    assert DEAD not in {web.get(f"{FEATURES}/random").json()["index"] for _ in range(200)}


def test_no_random_feature_of_an_empty_list(web: Web):
    response = web.get(f"{FEATURES}/random", q="nothing of this")
    assert response.status_code == 404 and "No feature fits" in response.json()["detail"]


def test_search_by_meaning_says_what_it_needs(web: Web):
    response = web.get(FEATURES, meaning="water")
    assert response.status_code == 400 and "SAE_ASSETS_EMBEDDING_MODEL" in response.json()["detail"]


def test_a_feature_is_what_the_store_has(web: Web):
    stored = read_feature(web.context.store, SAE_ID, "default", 5)
    feature = web.get(f"{FEATURES}/5").json()
    assert feature["statistics"]["std_act"] == pytest.approx(math.sqrt(stored.statistics.variance_act))
    assert sum(bar["count"] for bar in feature["histogram"]) == stored.statistics.act_times
    assert [one["index"] for one in feature["neighbours"]] == [one.index for one in stored.neighbours]
    assert stored.logits is not None
    assert sum(bar["count"] for bar in feature["logits"]["histogram"]) == stored.logits.histogram.sum()
    assert feature["explanation"]["prompt"] == "the prompt of 5"
    for subsample, (name, samples) in zip(feature["subsamples"], stored.samples.items(), strict=True):
        assert subsample["name"] == name
        assert [one["context_idx"] for one in subsample["samples"]] == [one.context.context_idx for one in samples]


def test_a_window_holds_the_peak_and_has_the_size_that_is_asked_for(web: Web):
    for window in (1, 10):
        feature = web.get(f"{FEATURES}/5", window=window).json()
        for sample in feature["subsamples"][0]["samples"]:
            (peak,) = [segment for segment in sample["segments"] if segment["is_peak"]]
            assert peak["activation"] == sample["peak"]
            assert len(sample["segments"]) <= window


def test_a_whole_context_is_its_text(web: Web):
    stored = read_feature(web.context.store, SAE_ID, "default", 5)
    sample = stored.samples["top_activations"][0]
    whole = web.get(f"{FEATURES}/5/contexts/{sample.context.context_idx}").json()
    assert "".join(segment["text"] for segment in whole["segments"]) == sample.context.text
    assert not whole["has_more_before"] and not whole["has_more_after"]


def test_a_context_that_is_no_sample_is_not_found(web: Web):
    response = web.get(f"{FEATURES}/5/contexts/999999")
    assert response.status_code == 404 and "no sample of feature 5" in response.json()["detail"]


def test_a_dead_feature_has_nothing_to_show(web: Web):
    feature = web.get(f"{FEATURES}/{DEAD}").json()
    assert feature["statistics"]["act_times"] == 0 and feature["histogram"] == []
    assert feature["subsamples"][0]["samples"] == []


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        (f"{FEATURES}/64", "There is no feature 64 in 'tiny/sae-l0/default'; they go from 0 to 63."),
        ("/saes/tiny/sae-l1/default/features/3", "Unknown SAE 'tiny/sae-l1'; the nearest is 'tiny/sae-l0'."),
        (f"/saes/{SAE_ID}/defualt/features/3", "Unknown analysis 'defualt'"),
    ],
)
def test_what_does_not_exist_is_named_with_the_nearest(web: Web, path: str, detail: str):
    response = web.get(path)
    assert response.status_code == 404 and response.json()["detail"].startswith(detail)


def test_the_numbers_of_a_checkpoint_are_those_of_its_analysis(web: Web):
    analysis = find_analysis(web.context.store, SAE_ID).analysis
    item = next(item for item in web.get("/saes").json()["items"] if item["name"] == NAME)
    detail = web.get(f"/saes/{SAE_ID}/default").json()
    for shown in (item, detail["checkpoint"]):
        assert (shown["d_sae"], shown["n_alive"], shown["l0"]) == (D_SAE, analysis.n_alive, analysis.l0)
        assert shown["n_explained"] == len(web.explained) and shown["analysis"] == "default"
        assert shown["dagster_url"].endswith("/assets/feature_documents?view=partitions&partition=tiny%2Fsae-l0")
    bars = detail["histograms"]
    assert sum(bar["count"] for bar in bars["log_density"]) == analysis.n_alive
    assert sum(bar["count"] for bar in bars["max_act"]) == analysis.n_alive
    assert set(bars["scores"]) == {"detection", "simulation"}
    assert [step["what"] for step in detail["lineage"]] == ["checkpoint", "features", "logits", "explanations"]
    assert all(step["at"] for step in detail["lineage"])


@pytest.mark.parametrize(
    ("histogram", "low", "high"),
    [("log_density", "min_log_density", "max_log_density"), ("max_act", "min_act", "max_act")],
)
def test_a_bar_counts_the_features_that_its_edges_filter(web: Web, histogram: str, low: str, high: str):
    for bar in web.get(f"/saes/{SAE_ID}/default").json()["histograms"][histogram]:
        assert web.features(state="alive", **{low: bar["start"], high: bar["stop"]})["total"] == bar["count"]


@pytest.mark.parametrize("scorer", ["detection", "simulation"])
def test_a_bar_of_scores_counts_likewise(web: Web, scorer: str):
    for bar in web.get(f"/saes/{SAE_ID}/default").json()["histograms"]["scores"][scorer]:
        found = web.features(scorer=scorer, min_score=bar["start"], max_score=bar["stop"])
        assert found["total"] == bar["count"]


def test_every_word_is_searched_for(web: Web):
    assert len(WORDS) == len({word.casefold() for word in WORDS})
    for word in WORDS:
        assert web.features(q=word)["total"] >= 1
