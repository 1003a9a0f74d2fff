"""The notebook of the documentation runs from top to bottom, and its outputs are not in git."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from sae_assets_tests.project import TinyProject

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def outputs(read_project: TinyProject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The outputs of each cell by its id, after a run on a small real store."""
    places = {name: str(tmp_path_factory.mktemp(name)) for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    with pytest.MonkeyPatch.context() as environment:
        for name, place in places.items():
            environment.setenv(name, place)
        client.execute(env=read_project.environment() | places)
    return {cell["id"]: cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"}


def shown(outputs: list, kind: str) -> str:
    """What a cell displays in this media type."""
    (text,) = (one["data"][kind] for one in outputs if kind in one.get("data", {}))
    return text


def test_committed_notebook_has_no_outputs():
    code = [cell for cell in nbformat.read(NOTEBOOK, as_version=4)["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_sae_and_feature_are_shown(outputs):
    assert shown(outputs["open"], "text/plain").startswith("<AnalysedSAE demo/smollm2-l10/default: 63 of 64 features")
    page = shown(outputs["feature"], "text/html")
    assert "feature 7" in page and "<mark" in page


def test_table_search_and_selection_give_features(outputs):
    assert "shape: (64," in shown(outputs["table"], "text/html")
    assert "shape: (5, 5)" in shown(outputs["query"], "text/html")
    assert "the word before a river" in shown(outputs["search"], "text/html")
    assert outputs["found"][0]["text"].startswith("<AnalysedFeature demo/smollm2-l10 11:")
    assert len(outputs["selection"][0]["text"].splitlines()) == 3


def test_density_is_drawn(outputs):
    assert len(shown(outputs["histogram"], "image/png")) > 1000


def test_no_cell_warns(outputs):
    assert [one for cell in outputs.values() for one in cell if one.get("name") == "stderr"] == []
