"""A mistake in an analysis is one sentence, found before the work that it would spoil, and leaves nothing behind."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets import LanguageModelConfig, MongoDBConfig, UserError
from sae_assets.store.lookup import checkpoints
from sae_assets_tests.interpretation.right_answer import free_port
from sae_assets_tests.project import TinyProject, write_sae
from sae_assets_tests.runners.published import analyze, document_counts, files_of


def copy_of_model(project: TinyProject, with_nan: bool = False) -> Path:
    folder = project.root / "model"
    shutil.copytree(project.model, folder)
    if with_nan:
        weights = load_file(folder / "model.safetensors")
        weights["model.layers.0.mlp.down_proj.weight"][3, 3] = torch.nan
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def missing_hook_point(project: TinyProject) -> dict[str, Any]:
    write_sae(project.checkpoint, hook_point="blocks.0.hook_resid_pots")
    return {"activation_factory": {"hook_points": ["blocks.0.hook_resid_pots"]}}


def unrecorded_hook_point(project: TinyProject) -> dict[str, Any]:
    config = project.checkpoint / "config.json"
    values = json.loads(config.read_text()) | {"hook_point_in": None, "hook_point_out": None}
    config.write_text(json.dumps(values))
    return {"activation_factory": {"hook_points": ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]}}


def other_width(project: TinyProject) -> dict[str, Any]:
    write_sae(project.checkpoint, d_model=16)
    return {}


def nan_in_the_model(project: TinyProject) -> dict[str, Any]:
    return {"model": {"model_name": str(copy_of_model(project, with_nan=True))}}


def empty_dataset(project: TinyProject) -> dict[str, Any]:
    (project.root / "empty.jsonl").touch()
    return {"datasets": {"text": {"dataset_name_or_path": str(project.root / "empty.jsonl")}}}


BAD_INPUT = [
    (
        missing_hook_point,
        r"Unknown hook point 'blocks.0.hook_resid_pots' in the model '.*'; the nearest is 'blocks.0.hook_resid_post'",
    ),
    (
        lambda _: {"activation_factory": {"hook_points": ["blocks.1.hook_resid_post"]}},
        r"hook_points is \['blocks.1.hook_resid_post'\] but the checkpoint .* was trained at 'blocks.0.hook_resid",
    ),
    (
        unrecorded_hook_point,
        r"The checkpoint .* does not record its hook point; set sae.hook_point to one of .*hook_points, \['blocks.0",
    ),
    (
        lambda _: {"sae": {"hook_point": "blocks.1.hook_resid_post"}},
        r"sae.hook_point is 'blocks.1.hook_resid_post', but .*config.json says 'blocks.0.hook_resid_post'",
    ),
    (other_width, r"The activations at 'blocks.0.hook_resid_post' have d_model 32 and the checkpoint .* d_model 16"),
    (empty_dataset, r"The dataset '.*empty.jsonl' (is empty|cannot be read)"),
    (nan_in_the_model, r"The activation at context 0, position \d+ is NaN or infinite"),
    (lambda _: {"sae_name": "../up"}, r"The checkpoint name '../up' cannot be used as a folder"),
    (lambda _: {"feature_analysis_name": ".."}, r"The analysis name '..' cannot be used as a folder"),
    (
        lambda _: {"activation_factory": {"sources": [{"type": "dataset", "name": "txet"}]}},
        r"Unknown dataset 'txet' in `datasets`; the nearest is 'text'",
    ),
]


@pytest.mark.parametrize(("mistake", "sentence"), BAD_INPUT)
def test_mistake_is_one_sentence_and_leaves_nothing(fresh_project, mistake, sentence):
    with pytest.raises(UserError, match=sentence):
        analyze(fresh_project, **mistake(fresh_project))
    assert_nothing_left(fresh_project)
    assert not list(Path(str(fresh_project.data.sources)).rglob("*.tmp"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("changes", [{"model": {"device": "cuda"}}, {"sae": {"device": "cuda"}}])
def test_device_that_is_not_there_is_one_sentence(fresh_project, changes):
    with pytest.raises(UserError, match="The device 'cuda' does not exist: 0 GPUs were found here; set `device`"):
        analyze(fresh_project, **changes)
    assert_nothing_left(fresh_project)
    assert not list((fresh_project.root / "data" / "sources").rglob("chunks"))


def test_width_is_checked_before_activations_are_made(fresh_project):
    with pytest.raises(UserError, match="d_model 16"):
        analyze(fresh_project, **other_width(fresh_project))
    assert not list((fresh_project.root / "data" / "sources").rglob("chunks"))


def test_unreachable_mongo_is_found_before_the_work_and_told_without_the_password(tmp_path, tiny_project, monkeypatch):
    monkeypatch.setattr("sae_assets.store.connection.WAIT_S", 0.3)
    project = tiny_project.copy(tmp_path / "project")
    port = free_port()
    mongo = MongoDBConfig(mongo_uri=f"mongodb://me:s3cret@127.0.0.1:{port}")
    with pytest.raises(UserError, match=f"MongoDB at 127.0.0.1:{port} did not answer") as error:
        analyze(project, mongo=mongo)
    assert "s3cret" not in str(error.value)
    assert not Path(str(project.data.root)).exists()


def test_model_that_is_not_there_is_one_sentence(fresh_project):
    model = LanguageModelConfig(model_name=str(fresh_project.root / "no-model"), local_files_only=True)
    with pytest.raises(UserError, match="neither a local folder nor on the Hugging Face hub"):
        analyze(fresh_project, model=model.model_dump())
    assert_nothing_left(fresh_project)


def assert_nothing_left(project: TinyProject) -> None:
    assert not files_of(project.data.root / "checkpoints")
    with project.store() as store:
        assert set(document_counts(store).values()) <= {0}
        assert checkpoints(store) == []
