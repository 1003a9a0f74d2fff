"""Texts that split characters, run backwards, never end, or would be a program: shown as they are, and harmless."""

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sae_assets_tests.browser.accessibility import grave_violations
from sae_assets_tests.browser.chromium import PHONE, WIDE, watched_page
from sae_assets_tests.browser.hostile_site import CONTEXTS, LIST, MARKUP, NAMES, PLACE, SAE_ID, TAG, TEXTS
from sae_assets_tests.browser.pages import overflow
from sae_assets_tests.browser.site import Site
from sae_assets_tests.browser.test_every_page import SCREENSHOTS

pytestmark = pytest.mark.slow
FEATURE = {name: f"{PLACE}/features/{index}" for index, name in enumerate(NAMES)}
HARMLESS = [name for name in NAMES if name not in ("controls", "direction marks", "code")]
"""Contexts with nothing in them that is shown as an escape."""
ADDRESSES = [
    "/",
    PLACE,
    f"{PLACE}/features",
    f"{PLACE}/features?q={quote(TEXTS[7])}",
    f"{PLACE}/features/0/explanations",
    f"{PLACE}/try",
    f"/embed/{SAE_ID}/default/7",
    f"/compare/features?a={SAE_ID}/default/7&b={SAE_ID}/default/8",
    "/compare",
    "/lists",
    f"/lists/{quote(LIST, safe='')}",
    f"/saes/{quote(MARKUP, safe='')}/a/b",
]


@pytest.fixture
def page(browser: Browser, hostile_site: Site) -> Iterator[Page]:
    """A wide window on the hostile texts; it fails where one of them runs."""
    with watched_page(browser, hostile_site.url) as page:
        yield page


def window(page: Page) -> Locator:
    """The feature's strongest context."""
    return page.locator("section.subsample .window").first


def whole_text(page: Page) -> str:
    """The characters of the feature's only activating context, opened as a whole."""
    page.locator("a.expand").first.click()
    whole = page.locator("[data-fragment] .text").first
    expect(whole).to_be_visible()
    return whole.text_content() or ""


@pytest.mark.parametrize("name", HARMLESS)
def test_text_of_a_context_is_shown_in_every_character(page: Page, name: str):
    page.goto(FEATURE[name])
    assert whole_text(page) == TEXTS[NAMES.index(name)]


@pytest.mark.parametrize("name", NAMES)
def test_page_of_every_text_fits_a_phone_and_keeps_nobody_out(page: Page, name: str):
    page.goto(FEATURE[name])
    page.locator("summary", has_text="non activating").click()
    assert grave_violations(page) == []
    for width in (WIDE, PHONE):
        page.set_viewport_size({"width": width, "height": 900})
        assert overflow(page) <= 0
        page.screenshot(path=SCREENSHOTS / f"hostile-{name.replace(' ', '-')}-{width}-light.png", full_page=True)


def test_character_of_several_tokens_is_one_shaded_piece(page: Page):
    page.goto(FEATURE["split characters"])
    pieces = page.locator("section.subsample .window").first.locator("mark").all_inner_texts()
    characters = [char for piece in CONTEXTS["split characters"] if not piece.isascii() for char in piece]
    assert pieces[: len(characters)] == characters
    assert "�" not in page.content()


def test_right_to_left_text_begins_at_the_right(page: Page):
    page.goto(FEATURE["right to left"])
    assert window(page).evaluate("element => getComputedStyle(element).direction") == "rtl"
    page.goto(FEATURE["cjk"])
    assert window(page).evaluate("element => getComputedStyle(element).direction") == "ltr"


def test_marks_that_turn_text_around_are_signs_and_turn_nothing(page: Page):
    page.goto(FEATURE["direction marks"])
    text = window(page).inner_text()
    assert "\u202e" not in text and "\u2066" not in text
    assert re.search(r"before .*202e.*reversed", text, re.IGNORECASE)


def test_code_keeps_its_lines_and_tabs(page: Page):
    page.goto(FEATURE["code"])
    whole_text(page)
    whole = page.locator("[data-fragment] .text").first
    assert (whole.locator(".br").count(), whole.locator(".tab").count()) == (3, 3)
    places = [whole.locator("mark", has_text=word).first.bounding_box() for word in ("def", "if x", "return")]
    tops = [place["y"] for place in places if place]
    lefts = [place["x"] for place in places if place]
    assert len(tops) == 3 and tops == sorted(set(tops)) and lefts == sorted(set(lefts))


def test_token_of_three_thousand_characters_stays_inside_the_page(page: Page):
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.goto(FEATURE["a long token"])
    box = window(page).bounding_box()
    assert box is not None and box["width"] <= PHONE and box["height"] < 900
    page.goto(f"{PLACE}/features")
    assert overflow(page) <= 0


def test_control_characters_are_visible_signs(page: Page):
    page.goto(FEATURE["controls"])
    signs = window(page).locator(".ctl").all_inner_texts()
    assert len(signs) >= 5
    assert not re.search("[\x00-\x08\x0b-\x1f]", window(page).inner_text())


def test_markup_in_what_people_wrote_is_text(page: Page):
    page.goto(FEATURE["split characters"])
    expect(page.locator(".explanation .text")).to_have_text(MARKUP)
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_have_value(MARKUP)
    expect(page.get_by_label(re.compile("Tags"))).to_have_value(f"{TAG}, ok")
    page.get_by_role("link", name=LIST).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(LIST)
    expect(page.locator("tbody tr").first.locator(".note")).to_have_text(MARKUP)
    expect(page.locator("tbody tr")).to_have_count(len(NAMES))


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_takes_a_text_for_markup(page: Page, address: str):
    page.goto(address)
    for selector in ("main script", "main b:not([class]):has-text('bold')", "img", "svg[onload]", "[onclick]"):
        assert page.locator(selector).count() == 0, selector
    assert "{{7*7}}" in page.content() or "49" not in (page.locator("main").text_content() or "")


@pytest.mark.parametrize("words", CONTEXTS["operators"])
def test_operators_of_mongodb_are_words_to_search_for(page: Page, words: str):
    page.goto(f"{PLACE}/features")
    page.locator("main [data-search]").fill(words)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    found = page.locator("tbody th a").all_inner_texts()
    assert str(NAMES.index("operators")) in found
    assert len(found) < len(NAMES)
    page.goto(f"{PLACE}/features?tag={quote(words)}")
    expect(page.get_by_text("No feature fits.")).to_be_visible()


def test_hostile_names_are_kept_through_the_forms(page: Page):
    page.goto(FEATURE["emoji"])
    page.get_by_label(re.compile("Tags")).fill(f"{TAG}, <u>second</u>")
    with page.expect_navigation():
        page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_label(re.compile("Tags"))).to_have_value(f"{TAG}, <u>second</u>")
    page.goto(f"{PLACE}/features?tag={quote('<u>second</u>')}")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_silent_context_shows_its_text_and_not_its_padding(page: Page):
    page.goto(FEATURE["script"])
    page.locator("summary", has_text="non activating").click()
    windows = page.locator("details.subsample .window")
    assert windows.count() == len(NAMES) - 1
    assert all(text.strip("… ") for text in windows.all_inner_texts())
