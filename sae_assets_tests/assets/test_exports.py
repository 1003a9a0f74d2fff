"""The export assets: where they write, what they say, and that nothing runs them unasked."""

from pathlib import Path

import dagster as dg
import pytest

from sae_assets.assets.exports import EXPORTS
from sae_assets.definitions import defs
from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets_tests.assets.materializing import failure, materialize, metadata
from sae_assets_tests.project import D_SAE, TinyProject

KINDS = ("parquet", "html", "neuronpedia", "llamascope")


@pytest.fixture
def analysed(fresh_project: TinyProject) -> TinyProject:
    analyze_sae(fresh_project.analyze_settings(), data=fresh_project.data, progress=silent)
    return fresh_project


def test_exports_lie_beside_the_results_and_are_replaced_by_the_next(analysed):
    folder = Path(str(analysed.data.checkpoint("tiny", "sae-l0").path)) / "exports"
    for _ in range(2):
        result = materialize(analysed, *(f"{kind}_export" for kind in KINDS))
        assert result.success
    assert sorted(path.name for path in folder.iterdir()) == sorted(KINDS)
    for kind in KINDS:
        told = metadata(result, f"{kind}_export")
        assert told["features"] == (50 if kind == "html" else D_SAE)
        assert told["folder"].startswith(str(folder / kind)) and (Path(told["folder"]) / "export.json").is_file()
        assert told["bytes"] > 1000


def test_a_folder_with_somebody_elses_files_fails_the_step_with_its_sentence(analysed):
    folder = Path(str(analysed.data.checkpoint("tiny", "sae-l0").path)) / "exports" / "parquet"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert "holds files that no export wrote, such as 'notes.txt'" in failure(materialize(analysed, "parquet_export"))


def test_no_job_and_no_condition_runs_an_export():
    repository = defs.get_repository_def()
    exported = repository.asset_graph
    names = {dg.AssetKey(f"{kind}_export") for kind in KINDS}
    assert {key for key in exported.get_all_asset_keys() if exported.get(key).group_name == EXPORTS} == names
    assert all(exported.get(key).automation_condition is None for key in names)
    for job in ("analyze_checkpoint", "register_checkpoints"):
        assert not names & set(repository.get_job(job).asset_layer.executable_asset_keys)
