"""Named lists of features: made, filled on a feature's page, exported, deleted."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.demo_site import COUNTRY, MINERAL, WRITTEN
from sae_assets_tests.browser.pages import FEATURES

pytestmark = pytest.mark.slow


def test_list_is_made_filled_exported_and_deleted(page: Page):
    page.goto("/lists")
    page.get_by_label("Name").fill("to look at again")
    page.get_by_label("What it is for").fill("Before the meeting.")
    with page.expect_navigation():
        page.get_by_role("button", name="Create").click()
    expect(page.locator("tbody")).to_contain_text("Before the meeting.")
    for index in (COUNTRY, MINERAL):
        page.goto(f"{FEATURES}/{index}")
        page.get_by_label("Add to a list").fill("to look at again")
        with page.expect_navigation():
            page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("link", name="to look at again")).to_be_visible()
    page.get_by_role("link", name="to look at again").click()
    page.wait_for_load_state()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    assert [int(text) for text in page.locator("tbody th a").all_inner_texts()] == [COUNTRY, MINERAL]

    exported = json.loads(downloaded(page, "Export JSON", "to look at again.json"))
    assert [item["index"] for item in exported["items"]] == [COUNTRY, MINERAL]
    rows_of_csv = list(csv.DictReader(io.StringIO(downloaded(page, "Export CSV", "to look at again.csv"))))
    assert [(row["series"], int(row["index"])) for row in rows_of_csv] == [("demo", COUNTRY), ("demo", MINERAL)]
    assert rows_of_csv[1]["explanation"] == WRITTEN[MINERAL]

    with page.expect_navigation():
        rows.first.get_by_role("button", name="Remove").click()
    expect(rows).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete the list").click()
    expect(page).to_have_url(re.compile("/lists$"))
    expect(page.locator("tbody")).not_to_contain_text("to look at again")


def test_list_that_is_named_on_a_feature_is_made(page: Page):
    page.goto(f"{FEATURES}/{COUNTRY}")
    page.get_by_label("Add to a list").fill("rivers & days")
    with page.expect_navigation():
        page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("link", name="rivers & days").click()
    expect(page.locator("tbody")).to_contain_text(WRITTEN[COUNTRY])


def test_name_that_cannot_be_one_is_refused_in_words(page: Page):
    page.goto("/lists")
    page.get_by_label("Name").fill("bookmarks")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("[data-message]")).to_contain_text("already")


def downloaded(page: Page, link: str, name: str) -> str:
    """The text of the file that a link gives, under the name that it should have."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    assert download.value.suggested_filename == name
    return Path(download.value.path()).read_text(encoding="utf-8")
