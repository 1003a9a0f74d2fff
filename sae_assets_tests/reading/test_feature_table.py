"""Tables hold what the features hold, one row each; a search gives rows of them."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from sae_assets.reading.analysed_sae import AnalysedSAE
from sae_assets.reading.opening import open
from sae_assets.settings import UserError
from sae_assets_tests.project import DEAD, TinyProject
from sae_assets_tests.reading.conftest import NAME
from sae_assets_tests.runners.published import analyze

PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


@pytest.fixture
def table(sae: AnalysedSAE) -> pa.Table:
    return sae.table()


def test_every_row_is_what_the_feature_says(sae: AnalysedSAE, table: pa.Table):
    rows = table.to_pylist()
    assert len(rows) == len(sae)
    for row, feature in zip(rows, sae.features("all"), strict=True):
        statistics = feature.statistics
        assert feature.logits is not None
        assert row["index"] == feature.index
        for name in ("density", "act_times", "act_contexts", "max_act", "mean_act"):
            assert row[name] == getattr(statistics, name)
        assert row["explanation"] == (feature.explanation and feature.explanation.text)
        for scorer in ("detection", "fuzzing", "simulation"):
            assert row[f"score_{scorer}"] == feature.scores.get(scorer)
        assert row["top_tokens"] == [token.text for token in feature.logits.top[:10]]
        assert row["top_logit"] == feature.logits.maximum
    assert rows[DEAD]["density"] == rows[DEAD]["max_act"] == 0


def test_polars_and_duckdb_take_it(table: pa.Table):
    features = table  # the name by which DuckDB finds it
    hits = duckdb.execute("SELECT index FROM features WHERE score_simulation < -0.4 ORDER BY index").fetchall()
    assert hits == [(5,), (9,)] and features.num_rows == 64
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    assert frame.filter(pl.col("score_simulation") < -0.4)["index"].to_list() == [5, 9]
    assert frame["explanation"].null_count() == len(frame) - frame["score_detection"].count()


def test_every_column_is_on_the_page_with_its_type(table: pa.Table):
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    documented = {line.split("`")[1]: line.split("|")[2].strip() for line in lines if line.startswith("| `")}
    for field in table.schema:
        if field.name not in ("score_fuzzing", "score_simulation"):
            expected = "list of string" if pa.types.is_list(field.type) else str(field.type)
            assert documented[field.name] == expected, field.name


def test_without_logits_and_explanations_the_columns_are_empty(fresh_project: TinyProject):
    analyze(fresh_project, sae_name=NAME)
    with open(NAME, data=str(fresh_project.data.root)) as sae:
        table, found = sae.table(), sae.search("the")
    assert len(table) == 64 and len(found) == 0
    assert [name for name in table.column_names if table[name].null_count == 64] == [
        "explanation",
        "top_tokens",
        "top_logit",
    ]
    assert str(table.schema.field("top_tokens").type) == "list<item: string>"


def test_search_finds_all_words_in_any_case_and_then_tokens(sae: AnalysedSAE, table: pa.Table):
    assert sae.search("LAKES rivers")["explanation"].to_pylist() == ["mentions of Rivers and lakes"]
    promoting = [row["index"] for row in table.to_pylist() if any("the" in one.lower() for one in row["top_tokens"])]
    assert sae.search("the")["index"].to_pylist() == [11, *(index for index in promoting if index != 11)]
    assert promoting


def test_number_is_found_as_an_index_first(sae: AnalysedSAE):
    assert sae.search("27")["index"].to_pylist()[0] == 27


def test_rows_that_are_found_are_those_of_the_table(sae: AnalysedSAE, table: pa.Table):
    found = sae.search("river")
    assert found.schema == table.schema
    assert found.to_pylist() == [table.to_pylist()[index] for index in (2, 11)]


@pytest.mark.parametrize("words", ["", "  ", "a" * 501])
def test_nothing_and_too_much_cannot_be_searched_for(sae: AnalysedSAE, words):
    with pytest.raises(UserError) as error:
        sae.search(words)
    assert str(error.value) == "What is searched for is a text of 1 to 500 characters."
