"""Two features side by side, and one checkpoint against a later one, computed on the spot."""

import re

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.chromium import WIDE
from sae_assets_tests.browser.demo_site import ATTACK, COUNTRY, MINERAL, WRITTEN
from sae_assets_tests.browser.pages import DEMO, FEATURE, LATER
from sae_assets_tests.browser.test_every_page import SCREENSHOTS

pytestmark = pytest.mark.slow
COMPARES_WITHIN_MS = 120_000


def test_two_features_stand_side_by_side(page: Page):
    page.goto(FEATURE)
    page.get_by_role("link", name="Compare", exact=True).last.click()
    page.get_by_label("Second").fill(f"{DEMO}/{COUNTRY}")
    page.get_by_role("button", name="Show").click()
    sides = page.locator(".side-by-side > section")
    expect(sides).to_have_count(2)
    for side, index in zip(sides.all(), (MINERAL, COUNTRY), strict=True):
        expect(side).to_contain_text(WRITTEN[index])
        expect(side.locator("mark.peak").first).to_be_visible()
    first, second = (side.bounding_box() for side in sides.all())
    assert first is not None and second is not None
    assert first["x"] + first["width"] <= second["x"] and abs(first["y"] - second["y"]) < 1


def test_later_checkpoint_is_compared_on_demand(page: Page):
    page.goto("/compare")
    page.get_by_label("First").select_option(DEMO)
    page.get_by_label("Second").select_option(LATER)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_load_state()  # with the script that the button needs
    page.get_by_role("button", name="Compute").click()
    chips = page.locator(".chips .chip")
    expect(chips.first).to_be_visible(timeout=COMPARES_WITHIN_MS)
    page.screenshot(path=SCREENSHOTS / f"compared-{WIDE}-light.png", full_page=True)
    counts = dict(re.findall(r"([a-z]+) ([\d,]+)", " ".join(chips.all_inner_texts())))
    assert int(counts["matched"].replace(",", "")) > 3000
    assert int(counts["died"]) > 30  # 50 were silenced, of which some were silent before
    assert int(counts["disappeared"]) > 50 and int(counts["appeared"]) > 50  # 96 were replaced
    page.get_by_role("link", name=re.compile("died")).click()
    expect(page.locator("tbody tr").first).to_contain_text("dead")
    assert set(page.locator("tbody tr td:first-child").all_inner_texts()) == {"died"}
    page.get_by_role("link", name=re.compile("Side by side")).first.click()
    expect(page.locator(".side-by-side > section")).to_have_count(2)


def test_name_that_is_not_there_is_told_with_the_nearest(page: Page):
    page.goto(f"/compare/features?a={DEMO}/{ATTACK}&b=demo/smollm2-l11/default/1")
    expect(page.get_by_text("smollm2-l10", exact=False).first).to_be_visible()
