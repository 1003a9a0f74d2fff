"""The list of features: searching, filtering, sorting and walking through it."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from sae_assets_tests.browser.demo_site import MINERAL, WRITTEN
from sae_assets_tests.browser.pages import FEATURES

pytestmark = pytest.mark.slow


def shown_indices(page: Page) -> list[int]:
    """The features of the page, in order."""
    return [int(text) for text in page.locator("tbody th a").all_inner_texts()]


def query_of(page: Page) -> dict[str, list[str]]:
    """What stands in the address."""
    return parse_qs(urlsplit(page.url).query)


def test_search_finds_words_of_an_explanation_and_leads_to_the_feature(page: Page):
    page.goto(FEATURES)
    page.keyboard.press("/")
    page.keyboard.type("mineral wealth")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert query_of(page)["q"] == ["mineral wealth"]
    page.get_by_role("link", name=WRITTEN[MINERAL]).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(MINERAL))


def test_search_finds_the_tokens_that_a_feature_promotes(page: Page):
    page.goto(f"{FEATURES}?explained=false")
    token = page.locator("tbody .token").first.inner_text().strip("·")
    page.goto(f"{FEATURES}?explained=false&q={token}")
    expect(page.locator("tbody tr").first).to_contain_text(token)


def test_number_finds_the_feature_of_this_index_first(page: Page):
    page.goto(f"{FEATURES}?q=1234")
    assert shown_indices(page)[0] == 1234


def test_search_without_result_says_what_to_do(page: Page):
    page.goto(f"{FEATURES}?q=xyzzy")
    expect(page.get_by_text("No feature fits.")).to_be_visible()
    page.get_by_role("link", name=re.compile("Show all 4,096")).click()
    expect(page.locator("tbody tr")).to_have_count(50)


@pytest.mark.parametrize(("header", "sort", "column"), [("Density", "density", 4), ("Max", "max_act", 5)])
def test_header_sorts_one_way_and_then_the_other(page: Page, header: str, sort: str, column: int):
    page.goto(FEATURES)
    for order, direction in (("desc", "descending"), ("asc", "ascending")):
        page.locator("thead").get_by_role("link", name=re.compile(f"^{header}")).click()
        expect(page.locator("th[aria-sort]")).to_have_attribute("aria-sort", direction)
        assert query_of(page)["sort"] == [sort]
        texts = page.locator(f"tbody tr td:nth-child({column + 1})").all_inner_texts()
        values = [float(text.removesuffix("%").replace(",", "")) for text in texts]
        assert values == sorted(values, reverse=order == "desc")


def test_filters_stand_in_the_address_and_go_away_by_a_click(page: Page):
    page.goto(FEATURES)
    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Max activation at least").fill("5")
    page.get_by_label("Explained").select_option("yes")
    expect(page.locator(".chips .chip").first).to_be_visible()
    assert query_of(page).keys() == {"min_act", "explained"}
    total = page.locator(".result-count strong").inner_text()
    assert 0 < int(total) <= 309
    page.reload()
    expect(page.locator(".result-count strong")).to_have_text(total)
    page.locator(".chip", has_text="explained").click()
    expect(page.locator(".result-count strong")).not_to_have_text(total)
    assert query_of(page).keys() == {"min_act"}


def test_pages_of_fifty_follow_each_other_and_lead_back(page: Page):
    page.goto(FEATURES)
    first = shown_indices(page)
    page.get_by_role("link", name="Next 50").click()
    expect(page.locator("tbody th a").first).to_have_text("50")
    assert (first, shown_indices(page)) == (list(range(50)), list(range(50, 100)))
    page.get_by_role("link", name="Previous 50").click()
    expect(page.locator("tbody th a").first).to_have_text("0")
    assert shown_indices(page) == first


def test_star_in_the_list_stays_and_is_filtered_by(page: Page):
    page.goto(f"{FEATURES}?q=7")
    star = page.locator("tbody tr").first.get_by_role("button")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.goto(f"{FEATURES}?bookmarked=true")
    assert 7 in shown_indices(page)
    star = page.locator("tbody tr").filter(has=page.get_by_role("link", name="7", exact=True)).get_by_role("button")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")


def test_arrow_keys_walk_through_the_list_as_it_is_filtered_and_sorted(page: Page):
    page.goto(f"{FEATURES}?explained=true&sort=score")
    heading, (first, second, third) = page.get_by_role("heading", level=1), shown_indices(page)[:3]
    page.locator("tbody th a").first.click()
    expect(heading).to_contain_text(str(first))
    for key, index in (("ArrowRight", second), ("ArrowRight", third), ("ArrowLeft", second)):
        page.wait_for_load_state()  # a key that is pressed before the script is there does nothing
        page.keyboard.press(key)
        expect(heading).to_contain_text(str(index))
    page.wait_for_load_state()
    page.keyboard.press("u")
    expect(page.locator(".chip", has_text="explained")).to_be_visible()
    assert shown_indices(page)[:3] == [first, second, third]


def test_random_feature_is_another_one_each_time(page: Page):
    seen = set()
    for _ in range(4):
        page.goto(FEATURES)
        page.get_by_role("link", name=re.compile("^Random")).first.click()
        expect(page).to_have_url(re.compile(rf"{FEATURES}/\d+"))
        seen.add(page.url)
    assert len(seen) > 1
