"""An analysis with logits and some explanations, and one of hostile texts, to be exported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets.store.connection import Store
from sae_assets.store.explanations import save_explanations
from sae_assets.store.features import StoredFeature
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lookup import FoundAnalysis, find_analysis
from sae_assets.store.reading import read_features
from sae_assets_tests.browser import hostile_site
from sae_assets_tests.project import SAE_ID, TinyProject

EXPLAINED = range(40)
"""Features with an explanation."""


@dataclass(frozen=True)
class Analysed:
    """A published analysis."""

    store: Store
    """Where it lies."""
    found: FoundAnalysis
    """The analysis."""
    features: list[StoredFeature]
    """All its features, as the store has them."""


@pytest.fixture(scope="package")
def analysed(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[Analysed]:
    """The tiny project's analysis, with the logits of all features and the explanations of some."""
    project = tiny_project.copy(tmp_path_factory.mktemp("export") / "project")
    with project.served():
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        direct_logit_attribute(project.logits_settings(), data=project.data, progress=silent)
        with project.store() as store:
            save_explanations(store, [_explanation(index) for index in EXPLAINED])
            yield _analysed(store, SAE_ID)


@pytest.fixture(scope="package")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Analysed]:
    """Texts that split characters, hold NUL, or would be a program."""
    with hostile_site.hostile_project(tmp_path_factory.mktemp("export-hostile")).served() as project:
        hostile_site.write_hostile(project)
        with project.store() as store:
            yield _analysed(store, hostile_site.SAE_ID)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their paths in it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _analysed(store: Store, sae_id: str) -> Analysed:
    found = find_analysis(store, sae_id)
    return Analysed(store, found, list(read_features(store, sae_id, "default", alive_only=False)))


def _explanation(index: int) -> ExplanationVersionDocument:
    """Scores by two scorers; some are missing, one has no value."""
    detection = None if index % 7 == 3 else (index % 11) / 10
    return ExplanationVersionDocument(
        sae=SAE_ID,
        analysis="default",
        index=index,
        text=f"mentions of {index} 日本語",
        scores=[{"scorer": "detection", "value": detection, "n": 10}]
        + ([{"scorer": "simulation", "value": index / 25 - 1}] if index % 2 else []),
        explainer="openai",
        model="a-model",
    )
