"""The exported page from a disk, with the hostile texts on it: whole in itself, readable, and harmless."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from sae_assets.export.html import FILE, chosen_features, export_html
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.browser.accessibility import grave_violations
from sae_assets_tests.browser.chromium import PHONE, WIDE, watched_page
from sae_assets_tests.browser.hostile_site import CONTEXTS, LIST, MARKUP, NAMES, SAE_ID, TEXTS
from sae_assets_tests.browser.pages import overflow
from sae_assets_tests.browser.site import Site
from sae_assets_tests.browser.test_every_page import SCREENSHOTS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, hostile_site: Site) -> Path:
    """The list of the hostile features, exported."""
    folder = tmp_path_factory.mktemp("page") / "out"
    with hostile_site.project.store() as store:
        found = find_analysis(store, SAE_ID)
        chosen = chosen_features(store, found, None, LIST)
        export_html(store, hostile_site.project.data, found, chosen, folder)
    return folder


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    """The page, held at the end to have asked for nothing but itself, run nothing and complained of nothing."""
    with watched_page(browser, folder.as_uri()) as page:
        page.goto(f"{folder.as_uri()}/{FILE}")
        yield page


def test_every_feature_shows_its_text_and_what_was_written_of_it(page: Page):
    expect(page.locator("article")).to_have_count(len(NAMES))
    for index, name in enumerate(NAMES):
        article = page.locator(f"#f{index}")
        expect(article.locator(".explanation .text")).to_have_text(TEXTS[index] if index % 2 else MARKUP)
        if name in ("cjk", "emoji", "script", "template"):
            text = article.locator(".window").first.text_content() or ""
            assert len(text) > 4 and TEXTS[index].startswith(text.removesuffix(" …"))


def test_character_of_several_tokens_is_one_shaded_piece(page: Page):
    pieces = page.locator("#f0 .window").first.locator("mark").all_inner_texts()
    characters = [char for piece in CONTEXTS["split characters"] if not piece.isascii() for char in piece]
    assert pieces[: len(characters)] == characters
    shades = page.locator("#f0 mark").evaluate_all("marks => marks.map(mark => getComputedStyle(mark).backgroundColor)")
    assert len(set(shades)) > 3 and "rgba(0, 0, 0, 0)" not in shades


def test_no_text_is_taken_for_markup(page: Page):
    for selector in ("script", "img", "iframe", "main b:has-text('bold')", "svg[onload]", "[onclick]", "[onerror]"):
        assert page.locator(selector).count() == 0, selector
    expect(page.locator("h1")).to_contain_text(LIST)


def test_every_link_stays_on_the_page(page: Page):
    links = page.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert links == [f"#f{index}" for index in range(len(NAMES))]
    page.locator("nav.within a").last.click()
    expect(page.locator(f"#f{len(NAMES) - 1}")).to_be_in_viewport()


def test_silent_contexts_open_without_a_script(page: Page):
    silent = page.locator("#f3 details.subsample")
    expect(silent.locator(".window").first).to_be_hidden()
    silent.locator("summary").click()
    expect(silent.locator(".window").first).to_be_visible()
    assert silent.locator("mark").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_keeps_nobody_out(browser: Browser, folder: Path, scheme: str):
    with watched_page(browser, folder.as_uri(), color_scheme=scheme) as page:
        page.goto(f"{folder.as_uri()}/{FILE}")
        assert grave_violations(page) == []
        for width in (WIDE, PHONE):
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0
            page.screenshot(path=SCREENSHOTS / f"export-{width}-{scheme}.png")
