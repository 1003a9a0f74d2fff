"""The logits in the store are those of the model's own weights, belong to their analysis, and are replaced whole."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from upath import UPath

from sae_assets import AbstractSparseAutoEncoder, UserError, direct_logit_attribute
from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.logits_file import read_logits
from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.store.lookup import checkpoints, find_analysis
from sae_assets.store.reading import read_features
from sae_assets_tests.project import D_SAE, SAE_ID, TinyProject, write_sae
from sae_assets_tests.runners.published import assert_same, document_counts, files_of


def attribute(project: TinyProject, variant: str = "norm", **changes: Any) -> FeatureLogits:
    """With the model found by the name that the analysis stored it under, as `model` is not given."""
    settings = project.logits_settings(model=None, direct_logit_attributor={"variant": variant, "top_k": 5}, **changes)
    return direct_logit_attribute(settings, data=project.data, progress=silent)


@pytest.fixture
def analysed(fresh_project: TinyProject) -> TinyProject:
    analyze_sae(fresh_project.analyze_settings(), data=fresh_project.data, progress=silent)
    return fresh_project


@torch.no_grad()
def direct_logits(project: TinyProject, variant: str) -> torch.Tensor:
    """Decoder, RMS norm with its weight, unembedding: (feature, vocab)."""
    model = AutoModelForCausalLM.from_pretrained(project.model)
    directions = AbstractSparseAutoEncoder.from_pretrained(str(project.checkpoint)).decoder
    if variant == "norm":
        directions = directions / directions.pow(2).mean(1, keepdim=True).add(model.config.rms_norm_eps).sqrt()
        directions = directions * model.model.norm.weight
    return directions @ model.lm_head.weight.T


@pytest.mark.parametrize("variant", ["norm", "raw"])
def test_stored_logits_are_those_of_the_models_weights(analysed, variant):
    attribute(analysed, variant)
    expected = direct_logits(analysed, variant)
    tokenizer = AutoTokenizer.from_pretrained(analysed.model)
    with analysed.store() as store:
        features = list(read_features(store, SAE_ID, "default", alive_only=False))
        (row,) = checkpoints(store)
    assert row.has_logits
    assert len(features) == D_SAE
    for feature in features:
        logits, of_feature = feature.logits, expected[feature.index]
        assert logits is not None and logits.variant == variant
        for ends, sign in ((logits.top, 1), (logits.bottom, -1)):
            values = torch.tensor([one.logit for one in ends])
            torch.testing.assert_close(values, (sign * of_feature).topk(5).values * sign)
            torch.testing.assert_close(values, of_feature[[one.token_id for one in ends]])
        plain = [one for one in logits.top if one.text.isascii() and "\\x" not in one.text]
        assert [one.text for one in plain] == [tokenizer.decode([one.token_id]) for one in plain]
        assert logits.mean == pytest.approx(float(of_feature.mean()), abs=1e-6)
        assert logits.histogram.sum() == len(tokenizer)


def test_another_run_replaces_and_the_same_one_makes_nothing_again(analysed):
    first = attribute(analysed, "raw")
    path = analysed.data.checkpoint("tiny", "sae-l0").logits
    made = files_of(path.parent)
    with analysed.store() as store:
        assert_same(attribute(analysed, "raw"), first)
        assert files_of(path.parent) == made
        assert find_analysis(store, SAE_ID).analysis.logits_variant == "raw"
        second = attribute(analysed, "norm")
        assert not torch.equal(second.top_logits, first.top_logits)
        assert find_analysis(store, SAE_ID).analysis.logits_variant == "norm"
        assert document_counts(store)["logits"] == D_SAE
        (stored,) = read_features(store, SAE_ID, "default", [3])
    assert stored.logits is not None
    assert [one.logit for one in stored.logits.top] == second.top_logits[3].tolist()
    assert_same(read_logits(path).logits, second)


def test_logits_outlive_a_new_analysis_of_the_same_weights_only(analysed):
    attribute(analysed)
    with analysed.store() as store:
        analyze_sae(
            analysed.analyze_settings(analyzer={"total_analyzing_tokens": 900}), data=analysed.data, progress=silent
        )
        assert find_analysis(store, SAE_ID).analysis.logits_id is not None
        write_sae(analysed.checkpoint, seed=1)
        analyze_sae(analysed.analyze_settings(), data=analysed.data, progress=silent)
        assert find_analysis(store, SAE_ID).analysis.logits_id is None
        assert document_counts(store)["logits"] == 0


def test_output_folder_alone_needs_no_store(tmp_path, tiny_project):
    project = tiny_project.copy(tmp_path / "project")
    output = tmp_path / "results"
    logits = attribute(project, model_name=str(project.model), output_dir=str(output))
    stored = read_logits(UPath(output / "logits.parquet"))
    assert_same(stored.logits, logits)
    assert stored.texts.keys() == set(torch.cat([logits.top_tokens, logits.bottom_tokens]).flatten().tolist())
    assert [path.name for path in output.iterdir()] == ["logits.parquet"]
    assert not project.data.mongo.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sae_name": "sae-l1"}, "Unknown SAE 'tiny/sae-l1'; the nearest is 'tiny/sae-l0'"),
        (
            {"feature_analysis_name": "defualt"},
            "Unknown analysis 'defualt' in SAE 'tiny/sae-l0'; the nearest is 'default'",
        ),
        ({"model_name": "no-model"}, "The language model 'no-model' is neither a local folder nor"),
        (
            {"sae": {"pretrained_name_or_path": "no/such/checkpoint"}},
            "There is no checkpoint 'no/such/checkpoint'",
        ),
    ],
)
def test_mistake_is_one_sentence_and_leaves_nothing(analysed, monkeypatch, changes, sentence):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=sentence):
        attribute(analysed, **changes)
    assert not list((analysed.root / "data" / "checkpoints").rglob("logits.parquet"))
    with analysed.store() as store:
        assert document_counts(store).get("logits", 0) == 0


def test_checkpoint_of_another_width_is_one_sentence(analysed):
    write_sae(analysed.checkpoint, d_model=16)
    with pytest.raises(UserError, match="The decoder has d_model 16 and the unembedding has d_model 32"):
        attribute(analysed, "raw")
