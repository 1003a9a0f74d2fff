"""Trying a text on the real language model, which is loaded for the first one."""

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.chromium import PHONE, WIDE
from sae_assets_tests.browser.demo_site import MINERAL
from sae_assets_tests.browser.pages import CHECKPOINT, FEATURE, overflow
from sae_assets_tests.browser.test_every_page import SCREENSHOTS

pytestmark = pytest.mark.slow
LOADS_WITHIN_MS = 90_000
TEXT = "The nation's mineral resources, its mineral wealth,\nand 日本 🙂 too."


def run(page: Page, address: str, text: str) -> None:
    page.goto(address)
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Result")).to_be_visible(timeout=LOADS_WITHIN_MS)
    page.wait_for_load_state()


def test_feature_lights_up_on_the_tokens_that_it_stands_for(page: Page):
    run(page, f"{FEATURE}/try", TEXT)
    tried = page.locator("section", has=page.get_by_role("heading", name="Result")).locator("p[dir=auto]")
    assert tried.text_content() == TEXT
    assert "mineral" in tried.locator("mark.peak").first.inner_text()
    page.screenshot(path=SCREENSHOTS / f"tried-feature-{WIDE}-light.png", full_page=True)


def test_token_shows_its_strongest_features_by_click_and_by_keyboard(page: Page):
    run(page, f"{CHECKPOINT}/try", TEXT)
    token = page.locator("a[data-token]", has_text="mineral").first
    token.click()
    panel = page.locator("[data-token-panel]")
    expect(panel.get_by_role("link", name=str(MINERAL), exact=True)).to_be_visible()
    values = [float(text) for text in panel.locator(".number").all_inner_texts()]
    assert values == sorted(values, reverse=True) and len(values) == 5
    token.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main [dir] a[data-token][aria-current]")).to_have_count(1)
    expect(token).not_to_have_attribute("aria-current", "true")
    page.set_viewport_size({"width": PHONE, "height": 900})
    assert overflow(page) <= 0
    page.screenshot(path=SCREENSHOTS / f"tried-checkpoint-{PHONE}-light.png", full_page=True)


def test_empty_text_is_refused_in_words(page: Page):
    page.goto(f"{FEATURE}/try")
    page.get_by_label("Text").fill("  ")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("type some")
