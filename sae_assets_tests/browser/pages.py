"""Addresses of the demo's pages, and what a person finds on every page."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from playwright.sync_api import Page

from sae_assets_tests.browser.demo_site import BY_HAND, COUNTRY, LATER_ID, MINERAL, SAE_ID

DEMO, LATER = f"{SAE_ID}/default", f"{LATER_ID}/default"
CHECKPOINT = f"/saes/{DEMO}"
FEATURES = f"{CHECKPOINT}/features"
FEATURE = f"{FEATURES}/{MINERAL}"
COMPARISON = f"/compare?first={quote(DEMO, safe='')}&second={quote(LATER, safe='')}"


class NamedPage(NamedTuple):
    """A page that is looked at as a whole."""

    name: str
    """What its pictures are called."""
    address: str
    """Its path on the site."""


PAGES = [
    NamedPage("checkpoints", "/"),
    NamedPage("checkpoint", CHECKPOINT),
    NamedPage("features", FEATURES),
    NamedPage("features-filtered", f"{FEATURES}?q=the&explained=true&state=alive&sort=score"),
    NamedPage("features-none", f"{FEATURES}?q=xyzzy"),
    NamedPage("feature", FEATURE),
    NamedPage("feature-by-hand", f"{FEATURES}/{BY_HAND}"),
    NamedPage("explanations", f"{FEATURES}/{BY_HAND}/explanations"),
    NamedPage("try-feature", f"{FEATURE}/try"),
    NamedPage("try-checkpoint", f"{CHECKPOINT}/try"),
    NamedPage("compare-features", f"/compare/features?a={DEMO}/{MINERAL}&b={DEMO}/{COUNTRY}"),
    NamedPage("compare", "/compare"),
    NamedPage("lists", "/lists"),
    NamedPage("list", "/lists/bookmarks"),
    NamedPage("embed", f"/embed/{DEMO}/{MINERAL}"),
    NamedPage("not-found", f"{FEATURES}/999999"),
]
"""The pages that can be opened by their address; those that need the language model are in `test_try`."""


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
