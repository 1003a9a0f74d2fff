"""A language model to ask: a real HTTP server whose answers are known; and a project with features to explain."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.project import TinyProject

OF_EXPLANATIONS = ("explanations", "explanation_versions", "explanation_failures")


@pytest.fixture
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture(scope="module")
def _analysed_once(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    with tiny_project.copy(tmp_path_factory.mktemp("analysed") / "project").served() as project:
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        yield project


@pytest.fixture
def analysed(_analysed_once: TinyProject) -> TinyProject:
    """An analysis that nobody has explained, and a cache of answers that is empty."""
    project = _analysed_once
    with project.store() as store:
        for name in OF_EXPLANATIONS:
            store[name].delete_many({})
        store["analyses"].update_many({}, {"$set": {"n_explained": 0, "mean_scores": {}}})
    folder = Path(str(project.data.checkpoint("tiny", "sae-l0").path))
    for path in (*Path(str(project.data.root)).glob("*.sqlite*"), *folder.glob("explanation*")):
        path.unlink()
    return project
