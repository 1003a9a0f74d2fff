"""Headless Chromium, and servers that show the demo and the hostile texts; each made once for all tests here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page

from sae_assets_tests.browser.chromium import headless, watched_page
from sae_assets_tests.browser.demo_site import make_demo
from sae_assets_tests.browser.hostile_site import hostile_project, write_hostile
from sae_assets_tests.browser.site import Site, served
from sae_assets_tests.demo_model import MADE, link_demo_model, shared_folder
from sae_assets_tests.project import TinyProject


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole session: Playwright keeps an event loop in this thread meanwhile."""
    with headless() as browser:
        yield browser


@pytest.fixture(scope="package")
def demo_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The web UI on a copy of the demo, which the processes that run tests make once together."""
    shared = shared_folder(tmp_path_factory) / "browser-demo"
    with FileLock(f"{shared}.lock"):
        if not (shared / MADE).exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            link_demo_model(shared, shared.parent)
            make_demo(shared)
            (shared / MADE).touch()
    root = tmp_path_factory.mktemp("demo-site") / "project"
    shutil.copytree(shared, root, ignore=shutil.ignore_patterns(".demo", "mongo.run"))
    (root / ".demo").symlink_to(shared / ".demo")  # the language model, which nobody writes to
    with TinyProject(root, model=root, text=root).served() as project, served(project) as site:
        yield site


@pytest.fixture(scope="package")
def hostile_site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The web UI on the hostile texts."""
    with hostile_project(tmp_path_factory.mktemp("hostile")).served() as project:
        write_hostile(project)
        with served(project) as site:
            yield site


@pytest.fixture
def page(browser: Browser, demo_site: Site) -> Iterator[Page]:
    """A wide window on the demo."""
    with watched_page(browser, demo_site.url) as page:
        yield page
