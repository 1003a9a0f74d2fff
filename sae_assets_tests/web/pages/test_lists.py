"""Named lists: what is in them, whatever they are called, and how they are exported and changed."""

import csv
import io

from sae_assets_tests.project import DEAD, SAE_ID
from sae_assets_tests.web.pages.conftest import EXPLAINED, HOSTILE, LIST, Site
from sae_assets_tests.web.pages.dom import Element


def row_of(page: Element, name: str) -> Element:
    (row,) = [row for row in page.one("tbody").all("tr") if row.one("th").text == name]
    return row


def test_all_lists_are_shown_with_what_is_in_them(site: Site):
    page = site.page("/lists")
    bookmarks, other = row_of(page, "bookmarks"), row_of(page, LIST)
    assert not bookmarks.all("button")
    assert [cell.text for cell in other.all("td")][:2] == [HOSTILE, "3"]
    assert other.one("button")["data-confirm"].startswith(f"Delete the list “{LIST}” with its 3 entries?")


def test_a_list_shows_its_features_in_the_order_in_which_they_were_added(site: Site):
    page = site.page(row_of(site.page("/lists"), LIST).one("th").one("a")["href"])
    assert page.one("h1").text == LIST
    rows = page.one("tbody").all("tr")
    assert [row.one("th").one("a")["href"] for row in rows] == [
        f"/saes/{SAE_ID}/default/features/{index}" for index in (2, 9, DEAD)
    ]
    assert [row.all("td")[0].text for row in rows] == [EXPLAINED[2], HOSTILE, "not explained"]
    assert {row.all("td")[1].text for row in rows} == {HOSTILE}


def test_a_list_is_exported_as_json_and_as_csv(site: Site):
    page = site.page(row_of(site.page("/lists"), LIST).one("th").one("a")["href"])
    as_json = site.client.get(page.link("Export JSON")).json()
    assert [item["index"] for item in as_json["items"]] == [2, 9, DEAD]
    response = site.client.get(page.link("Export CSV"))
    assert response.headers["content-type"].startswith("text/csv")
    assert [row["index"] for row in csv.DictReader(io.StringIO(response.text))] == ["2", "9", str(DEAD)]


def test_buttons_and_the_form_name_what_the_api_changes(site: Site):
    page = site.page("/lists")
    assert page.one("form", class_="stack")["data-new-list"] == "/api/v1/lists"
    site.client.post("/api/v1/lists", json={"name": "for a test"}).raise_for_status()
    site.client.put(f"/api/v1/lists/for a test/items/{SAE_ID}/4", json={"note": "why"}).raise_for_status()
    button = site.page("/lists/for%20a%20test").one("tbody").one("button")
    assert button.text == f"Remove feature 4 of {SAE_ID}"
    site.client.delete(button["data-delete"]).raise_for_status()
    emptied = site.page("/lists/for%20a%20test")
    assert "The list is empty." in emptied.one("main").text
    site.client.delete(emptied.one("button", data_next="/lists")["data-delete"]).raise_for_status()
    assert "nearest" in site.page("/lists/for%20a%20test", status=404).one("main").text


def test_bookmarks_are_always_there_and_cannot_be_deleted(site: Site):
    page = site.page("/lists/bookmarks")
    assert page.one("tbody").one("th").text.startswith("5")
    assert not page.all("button", data_next="/lists")
