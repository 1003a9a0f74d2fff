"""The first page, and a checkpoint's own, as a person goes through them."""

import re

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.demo_site import LATER, N_TOKENS, NAME
from sae_assets_tests.browser.pages import CHECKPOINT

pytestmark = pytest.mark.slow


def test_first_page_shows_each_checkpoint_with_its_numbers_and_leads_to_it(page: Page):
    page.goto("/")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    row = rows.filter(has_not_text=LATER)
    for shown in ("4,096", f"{N_TOKENS:,}", "blocks.10.hook_resid_post", "detection", "simulation"):
        expect(row).to_contain_text(shown)
    row.get_by_role("link", name=NAME).click()
    expect(page).to_have_url(re.compile(f"{CHECKPOINT}$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(NAME)


def test_first_page_links_to_the_partition_in_dagster(page: Page):
    page.goto("/")
    link = page.locator("tbody a[href*='partition=']").first
    expect(link).to_have_attribute("href", re.compile(r"/assets/feature_documents\?.*partition=demo%2Fsmollm2-l10"))


def test_bar_of_a_histogram_leads_to_the_features_that_it_counts(page: Page):
    page.goto(CHECKPOINT)
    charts = page.locator("svg.chart")
    assert charts.count() == 4  # density, activation, and the scores of two scorers
    for number in range(charts.count()):
        bar = charts.nth(number).locator("a").last
        count = re.search(r"([\d,]+) feature", bar.get_attribute("aria-label") or "")
        assert count is not None, bar.get_attribute("aria-label")
        bar.locator("rect.bar").click()
        expect(page.locator(".result-count strong")).to_have_text(count[1])
        page.goto(CHECKPOINT)


def test_dead_and_alive_features_are_a_click_away(page: Page):
    page.goto(f"/saes/demo/{LATER}/default")
    figure = page.locator(".figures div").filter(has=page.get_by_text("Dead", exact=True))
    n_dead = figure.locator("dd").inner_text()
    assert int(n_dead.replace(",", "")) >= 50
    figure.get_by_role("link").click()
    expect(page.locator(".result-count strong")).to_have_text(n_dead)
    expect(page.locator("tbody tr").first).to_contain_text("dead")


def test_lineage_and_settings_say_how_it_came_about(page: Page):
    page.goto(CHECKPOINT)
    steps = page.locator(".lineage li")
    for step in ("checkpoint", "features", "logits", "explanations"):
        expect(steps.filter(has_text=re.compile(step, re.IGNORECASE)).first).to_be_visible()
    settings = page.locator("details").filter(has_text="Settings of the analysis")
    expect(settings.locator("pre")).to_be_hidden()
    settings.locator("summary").click()
    expect(settings.locator("pre")).to_contain_text('"total_analyzing_tokens": 20000')
