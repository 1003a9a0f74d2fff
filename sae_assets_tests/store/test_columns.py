"""Columns hold what the features hold, in blocks of any size, and are never of two results."""

import numpy as np
import pytest

from sae_assets.settings import UserError
from sae_assets.store.columns import read_feature_columns, read_logit_columns
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.store.sets import COLLECTIONS
from sae_assets_tests.store.results import attribute, made_up, publish, sae_document, token_text


def analysis_of(store) -> AnalysisDocument:
    return find_analysis(store, "demo/l10").analysis


@pytest.fixture(params=[7, 1 << 16])
def block(request, monkeypatch) -> int:
    """How many features a block has."""
    monkeypatch.setattr("sae_assets.store.packing.FEATURES_OF_A_BLOCK", request.param)
    monkeypatch.setitem(COLLECTIONS["features"], "feature_columns", request.param)
    monkeypatch.setitem(COLLECTIONS["logits"], "logit_columns", request.param)
    return request.param


def test_columns_are_those_of_the_result(store, block):
    result = made_up()
    publish(store, result)
    attribute(store, result)
    analysis, summaries, logits = analysis_of(store), result.summaries, result.logits
    assert store["feature_columns"].count_documents({}) == store["logit_columns"].count_documents({}) == -(-30 // block)
    columns = read_feature_columns(store, analysis)
    assert (columns.set_id, columns.d_sae) == (analysis.features_id, 30)
    np.testing.assert_array_equal(columns.act_times, summaries.act_times)
    np.testing.assert_array_equal(columns.act_contexts, summaries.act_contexts)
    np.testing.assert_array_equal(columns.max_act, summaries.max_feature_acts)
    np.testing.assert_array_equal(columns.mean_act, summaries.mean_acts)
    np.testing.assert_array_equal(columns.density, summaries.density)
    promoted = read_logit_columns(store, analysis)
    assert promoted is not None and promoted.set_id == analysis.logits_id
    np.testing.assert_array_equal(promoted.top_tokens, logits.top_tokens)
    np.testing.assert_array_equal(promoted.maximum, logits.maximum)
    assert promoted.texts == {token: token_text(token) for token in logits.top_tokens.unique().tolist()}


def test_analysis_without_logits_has_no_columns_of_them(store):
    publish(store, made_up())
    assert read_logit_columns(store, analysis_of(store)) is None


def test_columns_go_with_their_set(store):
    publish(store, made_up(seed=1))
    attribute(store, made_up(seed=1))
    publish(store, made_up(seed=2))
    attribute(store, made_up(seed=2))
    assert store["feature_columns"].count_documents({}) == store["logit_columns"].count_documents({}) == 1


def test_reader_of_a_replaced_analysis_gets_the_new_one(store):
    publish(store, made_up(seed=1))
    attribute(store, made_up(seed=1))
    before = analysis_of(store)
    publish(store, made_up(d_sae=40, seed=2, n_contexts=30), sae_document(identity="b" * 16, d_sae=40))
    columns = read_feature_columns(store, before)
    assert columns.set_id == analysis_of(store).features_id
    np.testing.assert_array_equal(columns.density, made_up(d_sae=40, seed=2, n_contexts=30).summaries.density)
    assert read_logit_columns(store, before) is None
    attribute(store, made_up(d_sae=40, seed=2, n_contexts=30))
    promoted = read_logit_columns(store, before)
    assert promoted is not None and len(promoted.maximum) == 40


def test_columns_that_were_never_written_are_asked_for(store):
    publish(store, made_up())
    attribute(store, made_up())
    for name in ("feature_columns", "logit_columns"):
        store[name].delete_many({})
    words = "'demo/l10/default' was published by an earlier version of sae_assets; run it again."
    for read in (read_feature_columns, read_logit_columns):
        with pytest.raises(UserError) as error:
            read(store, analysis_of(store))
        assert str(error.value) == words
