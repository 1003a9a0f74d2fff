"""The list of features as a person sees it: search, filters, chips, sorting and paging, all of it in the URL."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from pydantic import SecretStr

from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, TinyProject
from sae_assets_tests.web.pages.conftest import BOOKMARKED, EXPLAINED, HOSTILE, LIST, Site, served
from sae_assets_tests.web.pages.dom import Element

PLACE = f"/saes/{SAE_ID}/default/features"
SHOWN = 50


def listed(page: Element) -> list[int]:
    return [int(row.one("th").text) for row in page.one("tbody").all("tr")]


def chips(page: Element) -> list[str]:
    return [chip.one("span", dir="auto").text for chip in page.all("a", class_="chip") if chip.all("span")]


def test_fifty_features_are_on_a_page_and_the_rest_on_the_next(site: Site):
    first = site.page(PLACE)
    assert listed(first) == list(range(SHOWN))
    assert first.one("p", class_="result-count").text == f"{D_SAE} features, 1 to 50 shown"
    second = site.page(PLACE + first.one("a", rel="next")["href"])
    assert listed(second) == list(range(SHOWN, D_SAE))
    assert second.one("p", class_="result-count").text == f"{D_SAE} features, 51 to 64 shown"
    assert listed(site.page(PLACE + second.one("a", rel="prev")["href"])) == list(range(SHOWN))
    assert not second.all("a", rel="next") and not first.all("a", rel="prev")


def test_a_row_says_what_is_known_of_a_feature(site: Site):
    row = site.page(f"{PLACE}?q=5").one("tbody").all("tr")[0]
    star = row.one("button")
    assert (star["aria-pressed"], star.text) == ("true", f"★Bookmark feature {BOOKMARKED}")
    assert star["data-bookmark"] == f"/api/v1/lists/bookmarks/items/{SAE_ID}/5"
    assert row.one("td", class_="explanation").text == EXPLAINED[5]
    assert len(row.one("td", class_="tokens-column").all("bdi")) == 10
    assert row.one("td", data_label="score").text == "0.50"
    assert row.one("td", data_label="density").text.endswith("%")


def test_what_is_dead_or_not_explained_says_so(site: Site):
    (row,) = site.page(f"{PLACE}?state=dead").one("tbody").all("tr")
    assert row.one("th").text == str(DEAD)
    assert row.one("td", class_="explanation").text == "dead"
    assert site.page(f"{PLACE}?explained=false").one("tbody").all("tr")[0].one("td", class_="explanation").text == (
        "not explained"
    )


def test_hostile_text_is_shown_as_it_is_and_is_no_markup(site: Site):
    page = site.page(f"{PLACE}?{urlencode({'annotated': 'true', 'list': LIST})}")
    (row,) = page.one("tbody").all("tr")
    cell = row.one("td", class_="explanation")
    assert cell.one("a").text == HOSTILE
    assert [tag.text for tag in cell.all("span", class_="tag")] == ["<i>tag</i>", "note"]
    assert chips(page) == ["with tags or a note", f"in the list “{LIST}”"]
    assert not page.all("b") and not page.one("body").all("script")


def test_a_search_finds_words_of_explanations_whatever_their_case(site: Site):
    page = site.page(f"{PLACE}?q=RIVERS+lakes")
    assert listed(page) == [2]
    assert chips(page) == ["contains “RIVERS lakes”"]
    assert page.one("input", name="q")["value"] == "RIVERS lakes"
    assert "data-search" in page.one("input", name="q").attributes


def test_operators_of_the_database_are_words_like_others(site: Site):
    assert listed(site.page(f'{PLACE}?q={{"$gt": ""}}')) == [9]
    assert not site.page(f'{PLACE}?tag={{"$ne": 1}}').all("tbody")


def test_the_form_holds_what_is_filtered_by(site: Site):
    query = "min_density=0.001&max_act=1000&state=alive&bookmarked=true&min_log_density=-4.5&sort=density&order=asc"
    page = site.page(f"{PLACE}?{query}")
    form = page.one("form", class_="filters")
    assert form["method"] == "get" and form["action"] == PLACE
    values = {one["name"]: one["value"] for one in form.all("input") if one.attributes.get("value")}
    chosen = {
        select["name"]: option["value"]
        for select in form.all("select")
        for option in select.all("option")
        if "selected" in option.attributes and option["value"]
    }
    assert values | chosen == dict(parse_qsl(query))
    assert listed(page) == [BOOKMARKED]


def test_what_the_form_sends_empty_filters_nothing(site: Site):
    assert len(listed(site.page(f"{PLACE}?q=&min_density=&max_density=&state=&explained=&list=&tag="))) == SHOWN


def test_a_chip_leads_to_the_list_without_its_filter(site: Site):
    page = site.page(f"{PLACE}?state=dead&explained=true")
    assert page.one("h1").text == "Features" and not page.all("tbody")
    assert "No feature fits." in page.one("main").text
    (chip,) = [one for one in page.all("a", class_="chip") if one.text.startswith("dead")]
    assert listed(site.page(PLACE + chip["href"])) == list(EXPLAINED)
    assert len(listed(site.page(page.link("Remove all")))) == SHOWN


def test_headers_sort_and_say_how_it_is_sorted(site: Site):
    page = site.page(f"{PLACE}?state=alive")
    head = page.one("thead")
    assert [(one.text, one["aria-sort"]) for one in head.all("th") if "aria-sort" in one.attributes] == [
        ("Feature ▲", "ascending")
    ]
    dense = site.page(PLACE + head.link("Density"))
    assert dense.one("th", aria_sort="descending").text == "Density ▼"
    rare = site.page(PLACE + dense.one("th", aria_sort="descending").one("a")["href"])
    assert rare.one("th", aria_sort="ascending").text == "Density ▲"
    for page, is_descending in ((dense, True), (rare, False)):
        shares = [float(cell.text.removesuffix(" %")) for cell in page.all("td", data_label="density")]
        assert shares == sorted(shares, reverse=is_descending)
        assert "state=alive" in str(page.one("a", rel="next")["href"])


def test_a_feature_of_a_filtered_list_is_followed_by_the_next_one_of_it(site: Site):
    row = site.page(f"{PLACE}?explained=true&sort=score").one("tbody").all("tr")[0]
    feature = site.page(row.one("th").one("a")["href"])
    assert row.one("th").text == "9"
    assert feature.one("a", rel="next")["href"].startswith(f"{PLACE}/5?from=")


def test_a_random_feature_is_one_of_the_list(site: Site):
    page = site.page(f"{PLACE}?explained=true")
    drawn = {site.client.get(page.link("Random")).headers["location"].split("?")[0] for _ in range(40)}
    assert drawn == {f"{PLACE}/{index}" for index in EXPLAINED}


def test_search_by_meaning_is_offered_only_where_it_is_to_be_had(site: Site):
    assert not site.page(PLACE).all("input", name="meaning")
    assert "SAE_ASSETS_EMBEDDING_MODEL" in site.page(f"{PLACE}?meaning=water", status=400).one("main").text


def test_a_search_by_meaning_sorts_by_similarity(shown_project: TinyProject):
    with EmbeddingServer() as endpoint:
        embedding = EmbeddingConfig(model="m", base_url=endpoint.base_url, api_key=SecretStr("k"))
        with served(shown_project, embedding) as site:
            page = site.page(f"{PLACE}?meaning=seven+digits")
            assert page.one("input", name="meaning")["value"] == "seven digits"
            assert set(listed(page)) == set(EXPLAINED)
            assert page.one("th", aria_sort="descending").text == "Similarity"
            cosines = [float(cell.text) for cell in page.all("td", data_label="similarity")]
            assert cosines == sorted(cosines, reverse=True)
            by_index = site.page(PLACE + page.one("thead").link("Feature"))
            assert listed(by_index) == list(EXPLAINED)
            assert site.page(PLACE + by_index.one("thead").link("Similarity")).one("th", aria_sort="descending")


def test_nonsense_in_the_url_is_a_sentence(site: Site):
    assert "min_density" in site.page(f"{PLACE}?min_density=a+few", status=422).one("main").text
    assert "cursor" in site.page(f"{PLACE}?cursor=abc", status=400).one("main").text
