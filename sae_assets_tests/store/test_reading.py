"""What is read is what was written, in few round trips, and mistakes name what is allowed."""

import numpy as np
import pytest

from sae_assets.settings import UserError
from sae_assets.store import reading
from sae_assets.store.explanations import save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.reading import read_feature, read_features
from sae_assets_tests.store.results import assert_samples_equal, attribute, made_up, publish, token_text


def explain(store, *indices: int) -> None:
    save_explanations(
        store,
        [
            ExplanationVersionDocument(sae="demo/l10", analysis="default", index=i, text=f"about {i} 🙂")
            for i in indices
        ],
    )


def test_every_feature_comes_back_as_it_was_written(store):
    result = made_up(d_sae=150)
    publish(store, result)
    attribute(store, result)
    explain(store, 7)
    features = list(read_features(store, "demo/l10", "default", alive_only=False))
    assert [one.index for one in features] == list(range(150))
    summaries, geometry, logits = result.summaries, result.geometry, result.logits
    for stored in features:
        index, statistics = stored.index, stored.statistics
        assert_samples_equal(stored, result)
        assert statistics.act_times == summaries.act_times[index]
        assert statistics.act_contexts == summaries.act_contexts[index]
        assert statistics.n_analyzed_tokens == summaries.n_analyzed_tokens
        assert statistics.density == summaries.density[index]
        assert statistics.max_act == summaries.max_feature_acts[index]
        assert statistics.mean_act == summaries.mean_acts[index]
        assert statistics.variance_act == summaries.variance_acts[index]
        assert statistics.decoder_norm == geometry.decoder_norm[index]
        assert statistics.encoder_norm == geometry.encoder_norm[index]
        assert statistics.cosine == geometry.cosine[index]
        assert [one.index for one in stored.neighbours] == geometry.neighbour_idx[index].tolist()
        assert [one.cosine for one in stored.neighbours] == geometry.neighbour_cosine[index].tolist()
        assert [one.index for one in stored.coactive] == [
            idx for idx in summaries.coactive_idx[index].tolist() if idx >= 0
        ]
        assert [one.cosine for one in stored.coactive] == [
            cosine for cosine in summaries.coactive_cosine[index].tolist() if cosine > 0
        ]
        np.testing.assert_array_equal(stored.histogram, summaries.histogram[index])
        assert stored.logits is not None
        assert stored.logits.variant == "raw"
        assert [one.token_id for one in stored.logits.top] == logits.top_tokens[index].tolist()
        assert [one.logit for one in stored.logits.bottom] == logits.bottom_logits[index].tolist()
        assert [one.text for one in stored.logits.top] == [token_text(one.token_id) for one in stored.logits.top]
        for name in ("mean", "std", "minimum", "maximum"):
            assert getattr(stored.logits, name) == getattr(logits, name)[index]
        np.testing.assert_array_equal(stored.logits.histogram, logits.histogram[index])
        assert (stored.explanation.text if stored.explanation else None) == ("about 7 🙂" if index == 7 else None)


def test_few_neighbours_are_no_gap(store):
    publish(store, made_up(d_sae=4))
    assert len(read_feature(store, "demo/l10", "default", 1).neighbours) == 3
    assert {one.index for one in read_feature(store, "demo/l10", "default", 1).coactive} <= {2, 3}


def test_one_feature_equals_the_same_feature_of_many(store):
    publish(store, made_up())
    (many,) = read_features(store, "demo/l10", "default", [9])
    assert many.statistics == read_feature(store, "demo/l10", "default", 9).statistics


def test_one_feature_takes_five_round_trips_at_most(store, sent):
    publish(store, made_up())
    attribute(store, made_up())
    explain(store, 5)
    sent.names.clear()
    stored = read_feature(store, "demo/l10", "default", 5)
    assert stored.logits is not None
    assert stored.explanation is not None
    assert stored.samples["top_activations"]
    assert len(sent.names) <= 5


def test_many_features_are_fetched_together(store, sent):
    publish(store, made_up(d_sae=300))
    sent.names.clear()
    assert len(list(read_features(store, "demo/l10", "default"))) > 250
    assert len(sent.names) <= 1 + 5 * 4


def test_dead_features_are_left_out_unless_asked_for(store):
    publish(store, made_up())
    dead = {index for index, times in enumerate(made_up().summaries.act_times.tolist()) if times == 0}
    assert 0 in dead
    assert {one.index for one in read_features(store, "demo/l10", "default")} == set(range(30)) - dead
    assert {one.index for one in read_features(store, "demo/l10", "default", alive_only=False)} == set(range(30))
    assert [one.index for one in read_features(store, "demo/l10", "default", [8, 0, 3])] == [8, 3]
    assert read_feature(store, "demo/l10", "default", 0).samples["top_activations"] == []


@pytest.mark.parametrize("index", [-1, 30, 10**12])
def test_index_out_of_range_names_the_range(store, index):
    publish(store, made_up())
    words = f"There is no feature {index} in 'demo/l10/default'; they go from 0 to 29."
    with pytest.raises(UserError) as error:
        read_feature(store, "demo/l10", "default", index)
    assert str(error.value) == words
    with pytest.raises(UserError) as error:
        list(read_features(store, "demo/l10", "default", [3, index]))
    assert str(error.value) == words


def test_unknown_analysis_names_the_nearest(store):
    publish(store, made_up())
    with pytest.raises(UserError, match="Unknown analysis 'defualt' in SAE 'demo/l10'; the nearest is 'default'"):
        read_feature(store, "demo/l10", "defualt", 1)


def test_reader_that_lost_its_set_reads_the_new_one(store, monkeypatch):
    publish(store, made_up(seed=1))
    read_analysis = reading._analysis

    def publish_after_reading(*args):
        found = read_analysis(*args)
        monkeypatch.undo()
        publish(store, made_up(seed=2))
        return found

    monkeypatch.setattr(reading, "_analysis", publish_after_reading)
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=2))


def test_stream_ends_with_a_sentence_when_its_set_is_replaced(store):
    publish(store, made_up(d_sae=200, seed=1))
    stream = read_features(store, "demo/l10", "default", alive_only=False)
    first = next(stream)
    publish(store, made_up(d_sae=200, seed=2))
    seen = [first]
    with pytest.raises(UserError, match="Another run replaced 'demo/l10/default' while it was being read; start again"):
        seen.extend(stream)
    for stored in seen:
        assert_samples_equal(stored, made_up(d_sae=200, seed=1))


def test_missing_documents_are_told(store):
    publish(store, made_up())
    store["samples"].delete_many({})
    with pytest.raises(UserError, match="Features of 'demo/l10/default' are missing; run the analysis again"):
        read_feature(store, "demo/l10", "default", 5)
