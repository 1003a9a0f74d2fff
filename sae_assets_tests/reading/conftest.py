"""A real, small analysis with logits, some of whose features are explained, under the name of the demo's checkpoint."""

from collections.abc import Iterator

import pytest

from sae_assets.engine.progress import silent
from sae_assets.reading.analysed_sae import AnalysedSAE
from sae_assets.reading.opening import open
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets.store.explanations import save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets_tests.project import TinyProject

SERIES, NAME = "demo", "smollm2-l10"
"""The notebook of the documentation opens this one."""
SAE_ID = f"{SERIES}/{NAME}"
HOSTILE = """</div><script>alert(1)</script> & "quotes" 'single' \x1b[31m שלום"""
EXPLAINED = {2: "mentions of Rivers and lakes", 5: "numbers of a street", 9: HOSTILE, 11: "the word before a river"}
"""Explanations by feature."""


def explanation(index: int, text: str) -> ExplanationVersionDocument:
    """Scored by detection with a hundredth of its index, and by simulation, of features below 10 only."""
    scores = [{"scorer": "detection", "value": index / 100}, {"scorer": "fuzzing", "value": None}]
    scores += [{"scorer": "simulation", "value": -index / 10}] if index < 10 else []
    return ExplanationVersionDocument(sae=SAE_ID, analysis="default", index=index, text=text, scores=scores)


@pytest.fixture(scope="session")
def read_project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """The project; tests that write something explain features from 40 on."""
    named = {"sae_series": SERIES, "sae_name": NAME}
    with tiny_project.copy(tmp_path_factory.mktemp("reading") / "project").served() as project:
        analyze_sae(project.analyze_settings(**named), data=project.data, progress=silent)
        direct_logit_attribute(project.logits_settings(**named), data=project.data, progress=silent)
        with project.store() as store:
            save_explanations(store, [explanation(index, text) for index, text in EXPLAINED.items()])
        yield project


@pytest.fixture
def sae(read_project: TinyProject) -> Iterator[AnalysedSAE]:
    """Its SAE, opened."""
    with open(NAME, data=str(read_project.data.root)) as sae:
        yield sae
