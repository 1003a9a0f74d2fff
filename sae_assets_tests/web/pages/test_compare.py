"""Two features, and two checkpoints, side by side."""

from sae_assets_tests.project import D_SAE
from sae_assets_tests.web.pages.conftest import EXPLAINED, FIRST, SECOND, Site
from sae_assets_tests.web.pages.dom import Element

PAIR = f"/compare?first={FIRST}&second={SECOND}"


def counts(page: Element) -> dict[str, int]:
    chips = [chip.text.split() for chip in page.one("nav", aria_label="What became of the features").all("a")]
    return {name: int(count.replace(",", "")) for name, count in chips}


def test_two_features_stand_side_by_side(site: Site):
    page = site.page(f"/compare/features?a={FIRST}/2&b={SECOND}/2")
    one, other = page.one("div", class_="side-by-side").all("section")
    assert EXPLAINED[2] in one.text and "Not explained yet." in other.text
    for side in (one, other):
        assert side.all("mark", class_="peak")
        assert side.one("dl", class_="figures")
    assert page.link("Swap sides").startswith("/compare/features?a=tiny%2Fsae-later")


def test_without_a_second_feature_the_page_asks_for_it(site: Site):
    page = site.page(f"/compare/features?a={FIRST}/2")
    assert page.one("input", name="a")["value"] == f"{FIRST}/2"
    assert page.one("input", name="b")["value"] == ""
    assert not site.page("/compare/features").all("section")


def test_what_names_no_feature_is_a_sentence(site: Site):
    for key in ("x", f"{FIRST}/", f"{FIRST}/-1", f"{FIRST}/two", f"{FIRST}/2/3"):
        assert "series/name/analysis/index" in site.page(f"/compare/features?a={key}", status=400).one("main").text
    site.page(f"/compare/features?a={FIRST}/{D_SAE}", status=404)


def test_any_two_analyses_can_be_chosen(site: Site):
    page = site.page("/compare")
    for select in page.all("select"):
        assert [option.text for option in select.all("option")] == ["choose one", FIRST, SECOND]
    assert not page.all("table")


def test_what_became_of_features_is_counted_and_listed(site: Site):
    page = site.page(PAIR)
    found = counts(page)
    assert found["all"] == sum(found.values()) - found["all"]
    assert found["died"] == 1 and found["matched"] >= D_SAE - 5
    for change in ("died", "matched"):
        filtered = site.page(f"{PAIR}&change={change}")
        rows = filtered.one("tbody").all("tr")
        assert len(rows) == min(found[change], 50)
        assert {row.all("td")[0].text for row in rows} == {change}
        assert counts(filtered) == found
    (row,) = site.page(f"{PAIR}&change=died").one("tbody").all("tr")
    assert [cell.text.split()[0] for cell in row.all("td")[1:3]] == ["3", "3"]
    assert row.all("td")[2].text.endswith("dead")


def test_pages_of_pairs_follow_each_other(site: Site):
    first = site.page(f"{PAIR}&change=matched")
    second = site.page(first.one("a", rel="next")["href"])
    assert len(second.one("tbody").all("tr")) == counts(first)["matched"] - 50
    assert not second.all("a", rel="next")


def test_a_comparison_that_is_not_there_can_be_computed(site: Site):
    box = site.page(f"/compare?first={SECOND}&second={FIRST}").one("section", data_comparison="")
    assert box.one("button").text == "Compute"
    assert (box["data-first"], box["data-second"], box["data-state"]) == (SECOND, FIRST, "missing")
    assert site.client.get(box["data-read"]).json()["state"] == "missing"
    assert "hidden" in box.one("progress").attributes


def test_an_unknown_analysis_or_change_is_a_sentence(site: Site):
    assert "nearest" in site.page(f"/compare?first={FIRST}&second=tiny/sae-l0/defaul", status=404).one("main").text
    assert "change" in site.page(f"{PAIR}&change=grown", status=422).one("main").text
