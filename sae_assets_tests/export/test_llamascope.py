"""The LlamaScope export has the columns that Neuronpedia's converter reads, and what the store holds in them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sae_assets.export import llamascope
from sae_assets.export.features import active_samples, whole_window
from sae_assets.export.llamascope import export_llamascope
from sae_assets_tests.export.conftest import EXPLAINED, Analysed, contents
from sae_assets_tests.project import D_SAE, DEAD

COLUMNS = """\
feature_index: int64
frac_nonzero: double
explanations: list<item: string>
top_pos_logits_str: list<item: string>
top_pos_logits_val: list<item: double>
top_neg_logits_str: list<item: string>
top_neg_logits_val: list<item: double>
activations: list<item: struct<tokens: list<item: string>, values: list<item: double>, \
z_pattern_indices: list<item: list<item: int64>>, z_pattern_values: list<item: double>>>"""
"""As the converter's own description has them; of the patterns it takes lists of lists of integers, and numbers."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, analysed: Analysed) -> Path:
    folder = tmp_path_factory.mktemp("llamascope") / "out"
    export_llamascope(analysed.store, analysed.found, folder)
    return folder


def read(folder: Path) -> pa.Table:
    """All streams of a folder, as the converter opens them."""
    files = sorted(file for file in folder.iterdir() if file.name.endswith(".arrow"))
    return pa.concat_tables(pa.ipc.open_stream(file).read_all() for file in files)


def test_columns_are_those_of_the_converter(folder):
    assert [f"{field.name}: {field.type}" for field in read(folder).schema] == COLUMNS.splitlines()


def test_rows_hold_what_the_store_says(folder, analysed):
    rows = read(folder).to_pylist()
    assert [row["feature_index"] for row in rows] == list(range(D_SAE))
    for row, stored in zip(rows, analysed.features, strict=True):
        logits = stored.logits
        assert logits is not None
        assert row["frac_nonzero"] == stored.statistics.density
        assert row["explanations"] == ([f"mentions of {stored.index} 日本語"] if stored.index in EXPLAINED else [])
        for side, tokens in (("pos", logits.top), ("neg", logits.bottom)):
            assert row[f"top_{side}_logits_str"] == [token.text for token in tokens]
            assert row[f"top_{side}_logits_val"] == [token.logit for token in tokens]
        samples = active_samples(stored)
        assert len(row["activations"]) == len(samples)
        for activation, sample in zip(row["activations"], samples, strict=True):
            assert activation["tokens"] == list(whole_window(sample).pieces)
            assert "".join(activation["tokens"]) in sample.context.text
            assert len(activation["values"]) == len(activation["tokens"])
            assert np.float32(max(activation["values"])) == np.float32(sample.peak)
            assert (activation["z_pattern_indices"], activation["z_pattern_values"]) == (None, None)
    assert rows[DEAD]["activations"] == []


def test_batches_are_written_as_they_come(tmp_path, folder, analysed, monkeypatch):
    monkeypatch.setattr(llamascope, "ROWS_A_BATCH", 10)
    exported = export_llamascope(analysed.store, analysed.found, tmp_path / "out")
    with pa.ipc.open_stream(tmp_path / "out" / llamascope.FILE) as stream:
        assert [batch.num_rows for batch in stream] == [10] * 6 + [4]
    assert read(tmp_path / "out").equals(read(folder))
    assert exported.counts == {"features": D_SAE, "samples": sum(len(active_samples(one)) for one in analysed.features)}


def test_running_again_replaces_the_same_bytes(tmp_path, folder, analysed):
    for _ in range(2):
        export_llamascope(analysed.store, analysed.found, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(folder)


def test_character_of_several_tokens_is_one_piece(tmp_path, hostile):
    export_llamascope(hostile.store, hostile.found, tmp_path / "out")
    for row, stored in zip(read(tmp_path / "out").to_pylist(), hostile.features, strict=True):
        for activation in row["activations"]:
            assert "".join(activation["tokens"]) == stored.samples["top_activations"][0].context.text
    assert read(tmp_path / "out")["activations"][0][0]["tokens"].as_py()[:3] == ["日", "本", "語"]
