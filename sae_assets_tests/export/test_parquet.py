"""The Parquet export holds what the store holds, opens in other programs, and is what its page in the docs says."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.export import parquet
from sae_assets.export.parquet import export_parquet
from sae_assets.export.parquet_columns import NEIGHBOURS, SAMPLES, features_schema
from sae_assets.store.explanations import known_scores
from sae_assets_tests.export.conftest import EXPLAINED, Analysed, contents
from sae_assets_tests.project import D_SAE, DEAD

DOCS = Path(__file__).parents[2] / "docs" / "exports.md"
TABLES = ("features", "samples", "neighbours")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, analysed: Analysed) -> Path:
    """The exported analysis."""
    folder = tmp_path_factory.mktemp("parquet") / "out"
    export_parquet(analysed.store, analysed.found, folder)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the working directory, as the docs have it."""
    monkeypatch.chdir(folder)
    return folder


def answer(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    return duckdb.connect().execute(query).fetchall()


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / f"{table}.parquet").to_pylist()


def test_every_feature_is_a_row_with_all_that_the_store_says(folder, analysed):
    found = rows(folder, "features")
    assert [row["index"] for row in found] == list(range(D_SAE))
    for row, stored in zip(found, analysed.features, strict=True):
        statistics = stored.statistics
        for name in ("act_times", "act_contexts", "density", "max_act", "mean_act", "variance_act"):
            assert row[name] == getattr(statistics, name)
        for name in ("decoder_norm", "encoder_norm", "cosine"):
            assert row[name] == getattr(statistics, name)
        assert sum(bar["count"] for bar in row["histogram"]) == statistics.act_times
        (bins,) = stored.histogram.nonzero()
        assert [bar["start"] for bar in row["histogram"]] == HISTOGRAM.edges[bins].tolist()
        assert [bar["stop"] for bar in row["histogram"]] == HISTOGRAM.edges[bins + 1].tolist()
        logits = stored.logits
        assert logits is not None
        assert row["logits_variant"] == logits.variant == "norm"
        for side, tokens in (("top", logits.top), ("bottom", logits.bottom)):
            assert row[f"{side}_tokens"] == [token.token_id for token in tokens]
            assert row[f"{side}_texts"] == [token.text for token in tokens]
            assert row[f"{side}_logits"] == pytest.approx([token.logit for token in tokens])
        assert (row["logits_mean"], row["logits_std"]) == (logits.mean, logits.std)
        assert [bar["count"] for bar in row["logits_histogram"]] == logits.histogram.tolist()
        assert row["logits_histogram"][0]["start"] == logits.minimum
        assert row["logits_histogram"][-1]["stop"] == pytest.approx(logits.maximum)
    assert found[DEAD]["max_act"] == 0 and found[DEAD]["histogram"] == []


def test_explanations_and_scores_are_columns_with_nulls_where_there_are_none(folder, analysed):
    for row, stored in zip(rows(folder, "features"), analysed.features, strict=True):
        scores = {name.removeprefix("score_"): value for name, value in row.items() if name.startswith("score_")}
        assert set(scores) == {"detection", "simulation"}
        if row["index"] in EXPLAINED:
            assert stored.explanation is not None
            assert (row["explanation"], row["explained_by"], row["explainer"]) == (
                stored.explanation.text, "a-model", "openai",
            )  # fmt: skip
            assert {name: value for name, value in scores.items() if value is not None} == known_scores(
                stored.explanation
            )
        else:
            assert {row["explanation"], row["explained_by"], row["explainer"], *scores.values()} == {None}


def test_samples_hold_each_window_with_its_activations(folder, analysed):
    found = {(row["index"], row["subsample"], row["rank"]): row for row in rows(folder, "samples")}
    places = [
        (stored.index, name, rank, sample)
        for stored in analysed.features
        for name, samples in stored.samples.items()
        for rank, sample in enumerate(samples)
    ]
    assert len(found) == len(places) > 500
    for index, name, rank, sample in places:
        row, context = found[index, name, rank], sample.context
        assert (row["context_idx"], row["dataset"], row["document_idx"]) == (
            context.context_idx, context.dataset, context.document_idx,
        )  # fmt: skip
        assert (row["peak"], row["start"]) == (sample.peak, sample.start)
        assert row["tokens"] == context.tokens[sample.start : sample.stop].tolist()
        dense = np.zeros(len(context.tokens), np.float32)
        dense[sample.positions] = sample.values
        assert row["activations"] == dense[sample.start : sample.stop].tolist()
        assert len(row["token_texts"]) == len(row["tokens"])
        assert row["text"] in context.text
        assert row["text"].startswith("".join(row["token_texts"][:1])) and row["text"].endswith(row["token_texts"][-1])


def test_character_of_several_tokens_is_the_text_of_each(tmp_path, hostile):
    export_parquet(hostile.store, hostile.found, tmp_path / "out")
    top = [row for row in rows(tmp_path / "out", "samples") if row["subsample"] == "top_activations"]
    assert [row["text"] for row in top] == [
        feature.samples["top_activations"][0].context.text for feature in hostile.features[:-1]
    ]
    assert top[0]["token_texts"][:6] == ["日"] * 3 + ["本"] * 3


def test_neighbours_of_both_kinds_are_rows_nearest_first(folder, analysed):
    found = rows(folder, "neighbours")
    expected = [
        (stored.index, kind, rank, one.index, one.cosine)
        for stored in analysed.features
        for kind, near in (("decoder", stored.neighbours), ("coactive", stored.coactive))
        for rank, one in enumerate(near)
    ]
    assert [tuple(row.values()) for row in found] == expected


def test_tables_open_in_duckdb_and_polars(here):
    for table in TABLES:
        file = f"{table}.parquet"
        columns = pq.read_schema(file).names
        assert [name for name, *_ in answer(f"DESCRIBE SELECT * FROM '{file}'")] == columns
        read = pl.read_parquet(file)
        assert read.columns == columns
        (counted,) = answer(f"SELECT count(*) FROM '{file}'")
        assert counted == (len(read),)
    assert pl.read_parquet("features.parquet")["top_texts"].to_list() == [
        texts for (texts,) in answer("SELECT top_texts FROM 'features.parquet' ORDER BY index")
    ]


def test_memory_holds_a_row_group_and_no_more(tmp_path, folder, analysed, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS_A_GROUP", 10)
    export_parquet(analysed.store, analysed.found, tmp_path / "out")
    for table in TABLES:
        small = pq.ParquetFile(tmp_path / "out" / f"{table}.parquet")
        n_rows = [small.metadata.row_group(group).num_rows for group in range(small.num_row_groups)]
        most_of_a_feature = max(Counter(row["index"] for row in rows(folder, table)).values())
        assert len(n_rows) > 5 and max(n_rows) < 10 + most_of_a_feature
        assert small.read().equals(pq.read_table(folder / f"{table}.parquet"))


def test_running_again_writes_the_same_bytes(tmp_path, folder, analysed):
    export_parquet(analysed.store, analysed.found, tmp_path / "out")
    before = contents(tmp_path / "out")
    exported = export_parquet(analysed.store, analysed.found, tmp_path / "out")
    assert contents(tmp_path / "out") == before == contents(folder)
    assert set(before) == {"export.json", *(f"{table}.parquet" for table in TABLES)}
    assert exported.counts == {table: len(rows(folder, table)) for table in TABLES}


def test_docs_list_every_column_with_its_type_and_meaning():
    columns = [*features_schema([]), *SAMPLES, *NEIGHBOURS]
    expected = [(field.name, _shown(field.type), (field.metadata or {})[b"description"].decode()) for field in columns]
    text = DOCS.read_text(encoding="utf-8").split("## Parquet")[1].split("### Three questions")[0]
    listed = re.findall(r"^\| (.+?) \| (.+?) \| (.+) \|$", text, re.MULTILINE)
    assert [row for row in listed if row[0] not in ("column", "---")] == expected


def test_questions_of_the_docs_are_answered(here, analysed):
    rare, tokens, near = [answer(query) for query in _code("sql")]
    by_index = {stored.index: stored for stored in analysed.features}
    scores = {
        index: known_scores(stored.explanation).get("detection", 0.0) if stored.explanation else 0.0
        for index, stored in by_index.items()
    }
    assert {index for index, *_ in rare} == {
        index for index, score in scores.items() if score >= 0.8 and by_index[index].statistics.density < 0.2
    }
    assert rare and [row[1] for row in rare] == sorted(row[1] for row in rare)
    times: Counter[str] = Counter()
    for samples in by_index[3].samples.values():
        for sample in samples:
            for position in sample.positions:
                context = sample.context
                times[context.text[context.starts[position] : context.stops[position]]] += 1
    assert {token: n for token, n, _ in tokens} == times
    assert [n for _, n, _ in tokens] == sorted(times.values(), reverse=True)
    pairs = {
        (index, one.index): one.cosine
        for index, stored in by_index.items()
        for one in stored.neighbours
        if one.cosine > 0.3 and index < one.index
    }
    assert {(index, other): cosine for index, other, cosine, *_ in near} == pairs and pairs


def test_polars_answers_the_first_question_as_duckdb_does(here, capsys):
    (program,) = _code("python")
    names: dict[str, Any] = {}
    exec(program.replace("print(", "result = (", 1), names)
    assert names["result"].rows() == answer(_code("sql")[0])


def _code(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.+?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def _shown(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_shown(kind.value_type)}"
    return f"({', '.join(field.name for field in kind)})" if pa.types.is_struct(kind) else str(kind)
