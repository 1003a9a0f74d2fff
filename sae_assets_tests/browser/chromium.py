"""Headless Chromium, and pages in it that keep a record of what should not happen on them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Route, sync_playwright

REQUIRED = "SAE_ASSETS_TEST_BROWSER"
"""Set to "required" where a missing browser is a failure, as in CI; elsewhere its tests are skipped."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = 1280, 390
"""Widths of a window, in CSS pixels."""
ANSWERS_WITHIN_MS = 10_000
"""How long a page may take for anything but the language model."""
PROGRAM_RAN = "programThatRan"
"""Name in `window` that the hostile texts set if they are ever taken for a program."""


def chromium() -> str:
    """The browser's program; without one the tests are skipped, or fail where it is required."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        sentence = "The browser tests need Chromium: `apt install chromium`, or any Chrome on the PATH."
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return found


@contextmanager
def headless() -> Iterator[Browser]:
    """A browser without a window."""
    program = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Wrongs:
    """What went wrong on the pages of a browser context."""

    found: list[str] = field(default_factory=list)
    """Requests to other hosts, errors on the console (what the content security policy refuses is one), exceptions."""

    def watch(self, context: BrowserContext, url: str) -> None:
        """Writes down what goes wrong from here on; no request to another server than the one at `url` gets out."""

        def answer(route: Route) -> None:
            if is_own(route.request):
                route.continue_()
            else:
                self.found.append(f"asked for {route.request.url}")
                route.abort()

        def is_own(request: Request) -> bool:
            return request.url.startswith((f"{url}/", "data:", "blob:"))

        def note(message: ConsoleMessage) -> None:
            asked_for = message.location["url"]
            # A page that is not there, and a change that the API refuses, are told to the person on the page itself.
            is_told = message.page is not None and (asked_for == message.page.url or "/api/v1/" in asked_for)
            if message.type == "error" and not (is_told and "status of 4" in message.text):
                self.found.append(f"console: {message.text}")

        context.route("**/*", answer)
        context.on("console", note)
        context.on("weberror", lambda error: self.found.append(f"exception: {error.error}"))


@contextmanager
def watched_page(browser: Browser, url: str, width: int = WIDE, **options: Any) -> Iterator[Page]:
    """A page of a fresh browser that works on the site at `url`, held at the end to have done nothing wrong.

    Args:
        width: width of the window.
        options: what else Playwright's `new_context` takes: `color_scheme`, `has_touch`, ...
    """
    wrongs = Wrongs()
    context = browser.new_context(base_url=url, viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(ANSWERS_WITHIN_MS)
    wrongs.watch(context, url)
    try:
        page = context.new_page()
        yield page
        ran = page.evaluate(f"window.{PROGRAM_RAN}")
        assert ran is None, f"a text of the data ran as a program: {ran}"
        assert not wrongs.found, wrongs.found
    finally:
        context.close()
