"""The first page and a checkpoint's page show the numbers of the store, and every bar leads to what it counts."""

from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, TinyProject
from sae_assets_tests.web.pages.conftest import EXPLAINED, LATER, Site, served
from sae_assets_tests.web.pages.dom import parsed

PLACE = f"/saes/{SAE_ID}/default"


def test_all_checkpoints_are_in_a_table_with_their_numbers(site: Site):
    table = site.page("/").one("table")
    header = [cell.text for cell in table.one("thead").all("th")]
    rows = {row.one("th").text: [cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")}
    assert list(rows) == [SAE_ID, f"tiny/{LATER}"]
    shown = dict(zip(header[1:], rows[SAE_ID], strict=True))
    assert (shown["Features"], shown["Alive"], shown["Dead"]) == ("64", "63", "1")
    assert shown["Explained"] == "4.7 %"
    assert shown["Mean scores"] == "detection 0.53"
    assert "blocks.0.hook_resid_post" in shown["Model, hook point"]
    assert site.page("/").link(SAE_ID) == PLACE


def test_a_checkpoint_without_an_analysis_in_its_address_leads_to_the_shown_one(site: Site):
    response = site.client.get(f"/saes/{SAE_ID}")
    assert (response.status_code, response.headers["location"]) == (303, PLACE)


def test_headline_numbers_settings_and_lineage_are_shown(site: Site):
    page = site.page(PLACE)
    numbers = {one.one("dt").text: one.one("dd").text for one in page.one("dl", class_="figures").all("div")}
    assert (numbers["Features"], numbers["Alive"], numbers["Dead"]) == ("64", "63", "1")
    steps = [step.one("span", class_="what").text for step in page.one("ol", class_="lineage").all("li")]
    assert steps == ["Checkpoint", "Features", "Logits", "Explanations"]
    assert '"total_analyzing_tokens": 5000' in page.all("pre")[0].raw_text
    assert '"act_fn": "topk"' in page.all("pre")[1].raw_text


def test_each_bar_leads_to_as_many_features_as_it_counts(site: Site):
    figures = {one.one("figcaption").text: one for one in site.page(PLACE).all("figure")}
    totals = {}
    for title, figure in figures.items():
        bars = figure.all("a")
        counts = [int(bar["aria-label"].split(": ")[1].split()[0]) for bar in bars]
        for bar, count in zip(bars, counts, strict=True):
            result = parsed(site.client.get(bar["href"]).text).one("p", class_="result-count").text
            assert result.startswith(f"{count} feature"), (title, bar["aria-label"], result)
        totals[title] = sum(counts)
    assert totals == {
        "Density of alive features, log₁₀": D_SAE - 1,
        "Largest activation of alive features": D_SAE - 1,
        "Score of explanations, detection": len(EXPLAINED),
    }
    assert DEAD == D_SAE - 1


def test_an_unknown_checkpoint_is_a_page_with_a_sentence(site: Site):
    page = site.page("/saes/tiny/sae-l1/default", status=404)
    assert page.one("h1").text == "Not Found"
    assert "the nearest is 'tiny/sae-l0'" in page.one("main").text


def test_an_empty_store_says_how_to_fill_it(fresh_project: TinyProject):
    with served(fresh_project) as site:
        page = site.page("/")
        assert not page.all("table")
        assert "make demo" in page.one("main").text
        assert site.page("/lists").one("tbody").one("th").text == "bookmarks"
        assert "analyse another checkpoint first" in site.page("/compare").one("main").text
