"""The page of a feature: its contexts, its explanation with history, and what people put on it."""

import re

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.demo_site import ATTACK, BY_HAND, COUNTRY, MINERAL, WRITTEN
from sae_assets_tests.browser.pages import DEMO, FEATURE, FEATURES

pytestmark = pytest.mark.slow


def heading(page: Page):
    return page.get_by_role("heading", level=1)


def test_feature_shows_what_is_known_about_it(page: Page):
    page.goto(FEATURE)
    expect(page.locator(".explanation .text")).to_have_text(WRITTEN[MINERAL])
    expect(page.locator(".explanation .source").first).to_contain_text("detection 0.50")
    expect(page.locator(".explanation .source").first).to_contain_text("a-language-model")
    for shown in ("Density", "Largest", "Cosine", "Norms"):
        expect(page.locator(".figures")).to_contain_text(shown)
    for part in ("promotes", "suppresses"):
        expect(page.locator("table", has=page.get_by_text(part, exact=True)).locator("tr").first).to_be_visible()
    for part in ("Nearest by decoder", "Active together", "Activations", "Output tokens"):
        expect(page.get_by_role("heading", name=part, exact=True)).to_be_visible()
    peaks = page.locator(".samples").first.locator("mark.peak")
    assert any("mineral" in text for text in peaks.all_inner_texts())


def test_peak_of_every_context_is_in_view_without_opening_it(page: Page):
    page.goto(FEATURE)
    samples = page.locator("section.subsample .samples > li:visible")
    assert samples.count() > 5
    for number in range(samples.count()):
        peak, window = samples.nth(number).locator("mark.peak").first, samples.nth(number).locator(".window")
        inner, outer = peak.bounding_box(), window.bounding_box()
        assert inner is not None and outer is not None
        assert outer["y"] - 1 <= inner["y"] and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1


def test_token_says_its_activation_under_the_mouse(page: Page):
    page.goto(FEATURE)
    token = page.locator("mark.peak").first
    value = token.get_attribute("data-v")
    content = "getComputedStyle(document.querySelector('mark.peak'), '::after').content"
    assert page.evaluate(content) == "none"
    token.hover()
    assert page.evaluate(content) == f'"{value}"'


def test_whole_context_opens_in_place_with_line_breaks_shown_and_closes_again(page: Page):
    page.goto(FEATURE)
    sample = page.locator(".samples > li").first
    window = sample.locator(".window").inner_text()
    sample.get_by_role("link", name=re.compile("Whole context")).click()
    whole = sample.locator("[data-fragment]")
    expect(whole).to_be_visible()
    assert len(whole.locator(".text").inner_text()) > len(window)
    expect(whole.locator("mark.peak").first).to_be_in_viewport()
    sample.get_by_role("link", name=re.compile("Whole context")).click()
    expect(whole).to_have_count(0)


def test_whole_context_has_a_page_of_its_own(page: Page):
    page.goto(FEATURE)
    address = page.locator("a.expand").first.get_attribute("href")
    assert address is not None
    page.goto(address)
    expect(page.locator(".whole mark.peak").first).to_be_visible()


def test_arrow_keys_lead_to_the_neighbours_and_no_further_than_the_last(page: Page):
    page.goto(f"{FEATURES}/4094")
    page.keyboard.press("ArrowRight")
    expect(heading(page)).to_contain_text("4095")
    page.wait_for_load_state()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(heading(page)).to_contain_text("4094")


def test_keys_that_are_typed_into_a_field_do_not_leave_the_page(page: Page):
    page.goto(FEATURE)
    note = page.get_by_role("textbox", name="Note", exact=True)
    note.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("/rub")
    expect(note).to_have_value("/rub")
    expect(heading(page)).to_contain_text(str(MINERAL))


def test_slash_goes_to_the_search_and_the_search_to_the_list(page: Page):
    page.goto(FEATURE)
    page.keyboard.press("/")
    page.keyboard.type("attack")
    page.keyboard.press("Enter")
    expect(page.locator("tbody")).to_contain_text(WRITTEN[ATTACK])


def test_question_mark_shows_the_keys(page: Page):
    page.goto(FEATURE)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_bookmark_by_key_stays_and_is_in_the_list(page: Page):
    page.goto(f"{FEATURES}/{ATTACK}")
    star = page.get_by_role("button", name="Bookmark")
    expect(star).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("b")
    expect(star).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.goto("/lists/bookmarks")
    expect(page.locator("tbody")).to_contain_text(WRITTEN[ATTACK])


def test_tags_and_note_stay_and_are_filtered_by(page: Page):
    page.goto(f"{FEATURES}/{COUNTRY}")
    page.get_by_label(re.compile("Tags")).fill("pairs, grammar , pairs")
    page.get_by_role("textbox", name="Note", exact=True).fill("Seen twice.\nAsk about rivers.")
    with page.expect_navigation():
        page.get_by_role("button", name="Save notes").click()
    expect(page.get_by_label(re.compile("Tags"))).to_have_value("pairs, grammar")
    expect(page.get_by_role("textbox", name="Note", exact=True)).to_have_value("Seen twice.\nAsk about rivers.")
    page.goto(f"{FEATURES}?tag=grammar")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("note")


def test_explanation_is_edited_by_hand_and_the_earlier_one_stays_in_its_history(page: Page):
    page.goto(f"{FEATURES}/254")
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Digits after an eight")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".explanation .text").first).to_have_text("Digits after an eight")
    expect(page.locator(".explanation .source").first).to_contain_text("by hand")
    page.get_by_role("link", name=re.compile("How it came about")).click()
    versions = page.locator("#history .versions > li")
    expect(versions).to_have_count(2)
    expect(versions.first).to_contain_text("Digits after an eight")
    expect(versions.first).to_contain_text("current")
    expect(versions.last).to_contain_text(WRITTEN[254])


def test_history_tells_prompt_answer_and_cost_of_a_model(page: Page):
    page.goto(f"{FEATURES}/{BY_HAND}/explanations")
    by_hand, by_model = page.locator(".versions > li").all()
    expect(by_hand).to_contain_text("written by hand")
    expect(by_model).to_contain_text("3,600 tokens of prompts")
    by_model.locator("summary", has_text="Prompt").click()
    expect(by_model).to_contain_text(f"We study feature {BY_HAND} of a sparse autoencoder.")
    by_model.locator("summary", has_text="Answer").click()
    expect(by_model).to_contain_text('"explanation"')


def test_embedded_view_has_no_navigation_and_may_stand_in_a_frame(page: Page, demo_site):
    page.goto(FEATURE)
    page.get_by_role("link", name="Embeddable view").click()
    expect(page).to_have_url(re.compile(f"/embed/{DEMO}/{MINERAL}$"))
    expect(page.get_by_text(WRITTEN[MINERAL])).to_be_visible()
    assert page.get_by_role("navigation").count() == 0
    page.set_content(f'<iframe src="{demo_site.url}/embed/{DEMO}/{MINERAL}" width="600" height="400"></iframe>')
    expect(page.frame_locator("iframe").get_by_text(WRITTEN[MINERAL])).to_be_visible()


def test_printed_page_is_the_feature_without_what_only_a_screen_can_do(page: Page):
    page.goto(FEATURE)
    page.emulate_media(media="print")
    expect(page.locator("header.top")).to_be_hidden()
    expect(page.get_by_role("button", name="Save notes")).to_be_hidden()
    expect(page.locator(".explanation .text").first).to_be_visible()
    expect(page.locator("mark.peak").first).to_be_visible()
