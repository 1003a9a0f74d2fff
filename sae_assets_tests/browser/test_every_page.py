"""What holds for each page: it fits a phone, no serious barrier to anybody, nothing from outside; pictures of it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from sae_assets_tests.browser.accessibility import grave_violations
from sae_assets_tests.browser.chromium import PHONE, WIDE, watched_page
from sae_assets_tests.browser.pages import PAGES, NamedPage, overflow
from sae_assets_tests.browser.site import Site

pytestmark = pytest.mark.slow
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("named", PAGES, ids=lambda named: named.name)
def test_page_fits_every_width_and_keeps_nobody_out(browser: Browser, demo_site: Site, named: NamedPage, theme: str):
    with watched_page(browser, demo_site.url, color_scheme=theme) as page:
        page.goto(named.address)
        assert page.title()
        assert overflow(page) <= 0
        assert grave_violations(page) == []
        for width in (WIDE, PHONE):
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=SCREENSHOTS / f"{named.name}-{width}-{theme}.png", full_page=True)
        assert overflow(page) <= 0


def test_dark_and_light_are_two_looks(browser: Browser, demo_site: Site):
    papers = []
    for theme in ("light", "dark"):
        with watched_page(browser, demo_site.url, color_scheme=theme) as page:
            page.goto("/")
            papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = ([int(part) for part in paper.removeprefix("rgb(").removesuffix(")").split(",")] for paper in papers)
    assert min(light) > 200 > 60 > max(dark)
