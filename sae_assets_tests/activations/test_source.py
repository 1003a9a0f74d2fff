"""The fingerprint changes with all that decides contexts and activations, and with nothing else."""

import shutil
from typing import Any

import pytest
from upath import UPath

from sae_assets.activations.source import ActivationSource
from sae_assets.settings import (
    ActivationFactoryActivationsSource,
    ActivationFactoryDatasetSource,
    DatasetConfig,
    UserError,
)
from sae_assets_tests.activations.corpora import TEXTS, factory_cfg, write_jsonl


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> DatasetConfig:
    return write_jsonl(tmp_path_factory.mktemp("corpus") / "web.jsonl")


def fingerprint(model_cfg, dataset, token_budget=600, beside=(), model=None, web=None, **changes) -> str:
    """The fingerprint with some settings changed: of the model, of the dataset, or of the factory."""
    return ActivationSource(
        model_cfg.model_copy(update=model or {}),
        factory_cfg(**changes),
        {"web": dataset.model_copy(update=web or {})},
        token_budget,
        beside,
    ).fingerprint


def dataset_source(**changes: Any) -> ActivationFactoryDatasetSource:
    return ActivationFactoryDatasetSource(name="web", **changes)


@pytest.mark.parametrize(
    "change",
    [
        {"context_size": 32},
        {"model_batch_size": 5},
        {"override_dtype": "bfloat16"},
        {"ignore_token_ids": []},
        {"ignore_positions": [0]},
        {"pack_documents": False},
        {"document_separator": "eos"},
        {"seed": 43},
        {"sources": [dataset_source(prepend_bos=False)]},
        {"sources": [dataset_source(is_dataset_tokenized=True)]},
        {"sources": [dataset_source(sample_weights=2.0)]},
        {"token_budget": 601},
        {"beside": (5,)},
        {"model": {"dtype": "torch.bfloat16"}},
        {"model": {"prepend_bos": False}},
        {"model": {"bos_token_id": 1}},
        {"model": {"eos_token_id": 0}},
        {"model": {"pad_token_id": 0}},
        {"web": {"text_column": "body"}},
        {"web": {"split": "test"}},
    ],
    ids=str,
)
def test_fingerprint_changes_with_what_decides(model_cfg, dataset, change):
    assert fingerprint(model_cfg, dataset, **change) != fingerprint(model_cfg, dataset)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 7},
        {"num_workers": 0},
        {"buffer_size": 64},
        {"buffer_shuffle": False},
        {"target": "tokens"},
        {"hook_points": ["blocks.1.hook_resid_post", "blocks.0.hook_resid_pre"]},
        {"model": {"device": "cuda"}},
        {"model": {"cache_dir": "elsewhere", "local_files_only": True}},
        {"web": {"cache_dir": "elsewhere"}},
    ],
    ids=str,
)
def test_fingerprint_stays_with_what_does_not_decide(model_cfg, dataset, change):
    assert fingerprint(model_cfg, dataset, **change) == fingerprint(model_cfg, dataset)


def test_fingerprint_is_that_of_contents_and_not_of_places(model_cfg, dataset, tmp_path):
    model = shutil.copytree(model_cfg.model_name, tmp_path / "model")
    moved: dict[str, Any] = {
        "model": {"model_name": str(model)},
        "web": {"dataset_name_or_path": str(tmp_path / "web.jsonl")},
    }
    write_jsonl(tmp_path / "web.jsonl")
    assert fingerprint(model_cfg, dataset, **moved) == fingerprint(model_cfg, dataset)
    write_jsonl(tmp_path / "web.jsonl", TEXTS[:-1])
    assert fingerprint(model_cfg, dataset, **moved) != fingerprint(model_cfg, dataset)


def test_fingerprint_changes_with_the_weights(model_cfg, dataset, tmp_path):
    model = shutil.copytree(model_cfg.model_name, tmp_path / "model")
    weights = UPath(model) / "model.safetensors"
    contents = bytearray(weights.read_bytes())
    contents[-1] ^= 1
    weights.write_bytes(bytes(contents))
    assert fingerprint(model_cfg, dataset, model={"model_name": str(model)}) != fingerprint(model_cfg, dataset)


def test_a_missing_dataset_names_the_nearest(model_cfg, dataset):
    with pytest.raises(UserError, match=r"^Unknown dataset 'web' in `datasets`; the nearest is 'wep'\.$"):
        ActivationSource(model_cfg, factory_cfg(), {"wep": dataset, "code": dataset}, 600)


def test_activations_beside_a_dataset_are_refused(model_cfg, dataset):
    sources = [dataset_source(), ActivationFactoryActivationsSource(name="ready", path="somewhere")]
    with pytest.raises(UserError, match=r"^The source 'ready' holds activations and another one is a dataset"):
        ActivationSource(model_cfg, factory_cfg(sources=sources), {"web": dataset}, 600)
