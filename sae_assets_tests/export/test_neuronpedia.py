"""The Neuronpedia export, read back under the rules of Neuronpedia's importer."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sae_assets.export import neuronpedia
from sae_assets.export.neuronpedia import export_neuronpedia
from sae_assets.export.neuronpedia_rows import ExplanationRow, json_line
from sae_assets.export.neuronpedia_source import NeuronpediaNames, neuronpedia_source
from sae_assets.settings import UserError
from sae_assets_tests.export.conftest import EXPLAINED, Analysed, contents
from sae_assets_tests.export.neuronpedia_importer import Database
from sae_assets_tests.project import D_SAE, DEAD, HOOK_POINT

OWN = NeuronpediaNames()
MODEL, SOURCE = "tiny-model", "0-tiny-sae-l0"
"""What the checkpoint suggests."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, analysed: Analysed) -> Path:
    """The exported analysis."""
    folder = tmp_path_factory.mktemp("neuronpedia") / "out"
    export_neuronpedia(analysed.store, analysed.found, folder, OWN)
    return folder


@pytest.fixture(scope="module")
def imported(folder: Path) -> Database:
    """What the importer makes of it."""
    database = Database()
    database.import_source(folder, MODEL, SOURCE)
    return database


def test_every_feature_is_a_neuron_with_its_numbers(imported, analysed):
    neurons = {int(row["index"]): row for row in imported.rows["Neuron"]}
    assert sorted(neurons) == list(range(D_SAE))
    for stored in analysed.features:
        row, logits = neurons[stored.index], stored.logits
        assert logits is not None
        assert (row["maxActApprox"], row["frac_nonzero"]) == (stored.statistics.max_act, stored.statistics.density)
        assert row["pos_str"] == [token.text.replace("\0", " ") for token in logits.top]
        assert row["pos_values"] == [token.logit for token in logits.top]
        assert row["neg_str"] == [token.text.replace("\0", " ") for token in logits.bottom]
        assert row["neg_values"] == [token.logit for token in logits.bottom]
        assert row["topkCosSimIndices"] == [one.index for one in stored.neighbours]
        assert row["topkCosSimValues"] == [one.cosine for one in stored.neighbours]
        assert row["hookName"] == HOOK_POINT
        assert sum(row["freq_hist_data_bar_heights"]) == stored.statistics.act_times
        assert sum(row["logits_hist_data_bar_heights"]) == logits.histogram.sum()
        for kind in ("freq", "logits"):
            middles = row[f"{kind}_hist_data_bar_values"]
            assert len(middles) == len(row[f"{kind}_hist_data_bar_heights"])
            assert middles == sorted(middles)
        assert logits.minimum < row["logits_hist_data_bar_values"][0]
    assert neurons[DEAD]["freq_hist_data_bar_heights"] == []


def test_active_contexts_are_there_once_each_with_their_text_and_peak(imported, analysed):
    rows: dict[int, list[dict]] = {}
    for row in imported.rows["Activation"]:
        rows.setdefault(int(row["index"]), []).append(row)
    assert DEAD not in rows
    for stored in analysed.features:
        active = {
            sample.context.context_idx: sample
            for samples in stored.samples.values()
            for sample in samples
            if sample.peak
        }
        found = rows.get(stored.index, [])
        assert len(found) == len(active)
        assert [row["maxValue"] for row in found] == sorted((row["maxValue"] for row in found), reverse=True)
        texts = [sample.context.text for sample in active.values()]
        for row in found:
            assert len(row["tokens"]) == len(row["values"])
            assert any("".join(row["tokens"]) in text for text in texts)
            assert row["values"][row["maxValueTokenIndex"]] == row["maxValue"] == max(row["values"])
            assert row["minValue"] == min(row["values"])
            assert row["dataSource"] == "text"
        peaks = np.array([sample.peak for sample in active.values()], np.float32)
        assert np.array_equal(np.sort(np.array([row["maxValue"] for row in found], np.float32)), np.sort(peaks))


def test_explanations_say_who_explained_and_how_well(imported, analysed):
    rows = {int(row["index"]): row for row in imported.rows["Explanation"]}
    assert sorted(rows) == list(EXPLAINED)
    assert rows[5]["description"] == "mentions of 5 日本語"
    assert rows[5]["notes"] == "by a-model, prompt openai; detection 0.500; simulation -0.800"
    assert rows[12]["notes"] == "by a-model, prompt openai; detection 0.100"


def test_names_come_from_the_checkpoint_or_from_the_user(imported, tmp_path, analysed):
    (source_set,), (source,) = imported.rows["SourceSet"], imported.rows["Source"]
    assert (source_set["name"], source_set["releaseName"], source["id"]) == ("tiny-sae-l0", "tiny", SOURCE)
    names = NeuronpediaNames("gemma-2-2b", "res_16k", 7, "scope", "Ada & Bob")
    exported = export_neuronpedia(analysed.store, analysed.found, tmp_path, names)
    assert exported.folder == tmp_path / "gemma-2-2b" / "7-res_16k"
    database = Database()
    database.import_source(tmp_path, "gemma-2-2b", "7-res_16k")
    (release,) = database.rows["SourceRelease"]
    assert (release["name"], release["creatorName"]) == ("scope", "Ada & Bob")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (NeuronpediaNames(model_id="a/b"), "--model-id 'a/b' cannot be a name on Neuronpedia; begin with a letter"),
        (NeuronpediaNames(source_set=".."), "--source-set '..' cannot be"),
        (NeuronpediaNames(source_set="res__16k"), "--source-set 'res__16k' cannot be"),
        (NeuronpediaNames(release=""), "--release '' cannot be"),
    ],
)
def test_names_that_neuronpedia_has_no_place_for_are_refused(tmp_path, analysed, names, sentence):
    with pytest.raises(UserError) as refused:
        export_neuronpedia(analysed.store, analysed.found, tmp_path / "out", names)
    assert str(refused.value).startswith(sentence)
    assert not (tmp_path / "out").exists()


def test_what_the_checkpoint_does_not_say_is_asked_for(tmp_path, analysed):
    for change, sentence in (
        ({"hook_point": "model.norm"}, "The hook point 'model.norm' of 'tiny/sae-l0' names no layer; give --layer."),
        ({"model_name": None}, "It is not known which language model 'tiny/sae-l0' was trained on; give --model-id."),
    ):
        found = replace(analysed.found, sae=analysed.found.sae.model_copy(update=change))
        with pytest.raises(UserError) as refused:
            export_neuronpedia(analysed.store, found, tmp_path / "out", OWN)
        assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("hook_point", "layer"),
    [("blocks.12.hook_resid_post", 12), ("blocks.0.attn.hook_z", 0), ("model.layers.7.mlp", 7), ("transformer.h.3", 3)],
)
def test_layer_is_that_of_the_hook_point(analysed, hook_point, layer):
    found = replace(analysed.found, sae=analysed.found.sae.model_copy(update={"hook_point": hook_point}))
    assert neuronpedia_source(found, OWN).source_id == f"{layer}-tiny-sae-l0"


def test_batches_hold_the_same_features_and_no_file_is_empty(tmp_path, analysed, monkeypatch, imported):
    monkeypatch.setattr(neuronpedia, "FEATURES_A_BATCH", 10)
    export_neuronpedia(analysed.store, analysed.found, tmp_path, OWN)
    folder = tmp_path / MODEL / SOURCE
    n_files = {kind: len(list((folder / kind).iterdir())) for kind in ("features", "activations", "explanations")}
    assert n_files == {"features": 7, "activations": 7, "explanations": 4}
    assert all(gzip.decompress(file.read_bytes()) for file in folder.glob("*/*.gz"))
    database = Database()
    database.import_source(tmp_path, MODEL, SOURCE)
    assert database.rows == imported.rows


def test_analysis_without_explanations_has_no_file_of_them(tmp_path, hostile):
    hostile.store["explanations"].delete_many({})
    exported = export_neuronpedia(hostile.store, hostile.found, tmp_path, NeuronpediaNames("m", "s", 0))
    assert exported.counts["explanations"] == 0
    assert not (exported.folder / "explanations").exists()
    Database().import_source(tmp_path, "m", "0-s")


def test_text_survives_the_importer_in_every_character_but_nul(tmp_path, hostile):
    export_neuronpedia(hostile.store, hostile.found, tmp_path, NeuronpediaNames("m", "s", 0))
    database = Database()
    database.import_source(tmp_path, "m", "0-s")
    texts = {row["index"]: "".join(row["tokens"]) for row in database.rows["Activation"]}
    for stored in hostile.features[:-1]:
        text = stored.samples["top_activations"][0].context.text
        assert texts[str(stored.index)] == text.replace("\0", " ")
    assert any("\0" in stored.samples["top_activations"][0].context.text for stored in hostile.features[:-1])


@pytest.mark.parametrize(
    "text",
    [
        "a\\u0000b",
        "\\\\u0000",
        "x\0y",
        "\\\0",
        "\\",
        "\n\u2028\ud83d\ude42".encode("utf-16", "surrogatepass").decode("utf-16"),
    ],
)
def test_escapes_in_a_text_are_read_back_as_they_were(text):
    database = Database()
    row = ExplanationRow("id", "m", "0-s", "1", text, "me", "2026-01-01T00:00:00+00:00", "")
    database._insert("Explanation", json_line(row))
    assert database.rows["Explanation"][0]["description"] == text.replace("\0", " ")


def test_running_again_writes_the_same_bytes_so_that_importing_again_adds_nothing(tmp_path, folder, analysed, imported):
    export_neuronpedia(analysed.store, analysed.found, tmp_path, OWN)
    export_neuronpedia(analysed.store, analysed.found, tmp_path, OWN)
    assert contents(tmp_path) == contents(folder)
    n_rows = {table: len(rows) for table, rows in imported.rows.items()}
    imported.import_source(tmp_path, MODEL, SOURCE)
    assert {table: len(rows) for table, rows in imported.rows.items()} == n_rows
