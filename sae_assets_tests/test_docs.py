"""The pages name every setting, and their links and pictures are there."""

import re
import tomllib
from itertools import chain
from pathlib import Path
from textwrap import dedent

import pytest

from sae_assets.settings import AnalysisSettings, AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings
from sae_assets.settings.base import Settings
from sae_assets.settings.fields import models_of

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def fields_of(model: type[Settings]) -> set[str]:
    """Names of the fields of a model and of all models below it."""
    inner = [below for field in model.model_fields.values() for below in models_of(field.annotation)]
    return set(model.model_fields).union(*(fields_of(below) for below in inner))


@pytest.mark.parametrize(
    "model", [AnalyzeSAESettings, DirectLogitAttributeSettings, AutoInterpSettings, AnalysisSettings]
)
def test_every_setting_is_on_the_page(model):
    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    assert {name for name in fields_of(model) if f"`{name}`" not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_dependency_is_explained():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    page = (REPOSITORY / "docs" / "dependencies.md").read_text()
    names = {re.split(r"[<>=\[]", requirement)[0] for requirement in required}
    # pytest's plugins stand in brackets behind it.
    assert {name for name in names if name not in page and name.removeprefix("pytest") not in page} == set()


EXPLANATIONS = (REPOSITORY / "docs" / "interpretation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", EXPLANATIONS, re.DOTALL))
def test_settings_on_the_page_of_explanations_can_be_loaded(block):
    AutoInterpSettings.model_validate({"sae_series": "demo", "sae_name": "smollm2-l10"} | tomllib.loads(dedent(block)))
