"""axe-core on a page: what keeps people with a screen reader, a keyboard or weak eyes out."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
GRAVE = {"serious", "critical"}


def grave_violations(page: Page) -> list[str]:
    """The violations that axe-core calls serious or critical, each with the elements that it found."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [_sentence(one) for one in found["violations"] if one["impact"] in GRAVE]


def _sentence(violation: dict) -> str:
    places = "; ".join(f"{node['html'][:160]} ({node['failureSummary']})" for node in violation["nodes"][:3])
    return f"{violation['impact']}: {violation['id']}, {violation['help']}: {places}"
