"""A result is published whole or not at all, and running again leaves no trace of the run before."""

import os
import signal
import subprocess
import sys
import threading

import bson
import pytest

from sae_assets.engine.progress import Step
from sae_assets.settings import UserError
from sae_assets.store.connection import Store, connect
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import explanations_of, write_by_hand
from sae_assets.store.lists import add_to_list, items_of
from sae_assets.store.lookup import find_analysis
from sae_assets.store.publish import AnalysisRecord, publish_analysis, publish_logits
from sae_assets.store.queries import where
from sae_assets.store.reading import read_feature, read_features
from sae_assets.store.sets import amend
from sae_assets_tests.store.results import (
    assert_samples_equal,
    attribute,
    made_up,
    publish,
    sae_document,
    token_text,
)

COLLECTIONS = (
    *("saes", "analyses", "features", "samples", "feature_columns", "contexts", "logits", "logit_columns"),
    *("explanations", "explanation_versions", "list_items"),
)


def counts(store: Store) -> dict[str, int]:
    return {name: store[name].count_documents(where().filter) for name in COLLECTIONS}


def analysis_of(store: Store) -> AnalysisDocument:
    return find_analysis(store, "demo/l10").analysis


def republish(store: Store, result, progress) -> None:
    record = AnalysisRecord("default", result.source)
    publish_analysis(
        store, sae_document(), record, result.summaries, result.geometry, result.sampled, progress=progress
    )


def stop_midway(error: BaseException):
    """Ends a run once its documents are written and before they count."""

    def progress(step: Step) -> None:
        if step.done:
            raise error

    return progress


def test_running_again_leaves_no_duplicate_and_keeps_what_people_wrote(store):
    publish(store, made_up())
    attribute(store, made_up())
    write_by_hand(store, "demo/l10", "default", 3, "学习")
    add_to_list(store, "bookmarks", "demo/l10", 4, "a note")
    before = counts(store)
    first = analysis_of(store)
    publish(store, made_up())
    attribute(store, made_up())
    assert counts(store) == before
    assert before["features"] == before["samples"] == before["logits"] == 30
    assert before["feature_columns"] == before["logit_columns"] == 1
    assert before["contexts"] == len(made_up().sampled)
    assert analysis_of(store).features_id != first.features_id
    assert analysis_of(store).pending == []
    assert [one.text for one in explanations_of(store, "demo/l10", "default")] == ["学习"]
    assert [one.note for one in items_of(store, "bookmarks")] == ["a note"]


def test_numbers_of_the_analysis_are_those_of_the_summaries(store):
    publish(store, made_up())
    found = find_analysis(store, "demo/l10")
    summaries = made_up().summaries
    assert found.sae.config == sae_document().config
    assert found.analysis.n_analyzed_tokens == summaries.n_analyzed_tokens
    assert found.analysis.n_alive == summaries.n_alive
    assert found.analysis.l0 == summaries.l0
    assert found.analysis.d_sae == 30
    assert found.analysis.source == made_up().source
    assert found.analysis.subsamples == ["top_activations", "non_activating"]
    assert found.analysis.settings == {"total_analyzing_tokens": 10}


def test_new_result_replaces_the_old_one_though_it_has_fewer_features(store):
    publish(store, made_up(d_sae=50, seed=1))
    publish(store, made_up(seed=2))
    assert counts(store)["features"] == counts(store)["samples"] == 30
    for stored in read_features(store, "demo/l10", "default", alive_only=False):
        assert_samples_equal(stored, made_up(seed=2))


def test_analyses_of_other_names_and_saes_stay(store):
    publish(store, made_up(seed=1))
    publish(store, made_up(seed=2), analysis="other")
    publish(store, made_up(seed=3), sae=sae_document("l11"))
    publish(store, made_up(seed=1))
    assert counts(store)["features"] == 90
    for sae_id, analysis, seed in (("demo/l10", "default", 1), ("demo/l10", "other", 2), ("demo/l11", "default", 3)):
        assert_samples_equal(read_feature(store, sae_id, analysis, 5), made_up(seed=seed))


def test_logits_stay_for_the_same_sae_and_go_with_it(store):
    publish(store, made_up())
    attribute(store, made_up())
    publish(store, made_up())
    assert read_feature(store, "demo/l10", "default", 1).logits is not None
    assert analysis_of(store).logits_variant == "raw"
    publish(store, made_up(), sae=sae_document(identity="b" * 16))
    assert read_feature(store, "demo/l10", "default", 1).logits is None
    assert analysis_of(store).logits_variant is None
    assert counts(store)["logits"] == counts(store)["logit_columns"] == 0
    assert analysis_of(store).pending == []


def test_stale_logits_go_though_a_run_in_between_was_killed(store):
    publish(store, made_up())
    attribute(store, made_up())
    new = sae_document(identity="b" * 16)
    result = made_up()
    record = AnalysisRecord("default", result.source)
    with pytest.raises(KeyboardInterrupt):
        stop = stop_midway(KeyboardInterrupt())
        publish_analysis(store, new, record, result.summaries, result.geometry, result.sampled, progress=stop)
    publish(store, result, sae=new)
    assert read_feature(store, "demo/l10", "default", 1).logits is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("disk")])
def test_run_that_fails_leaves_what_was_there_and_nothing_else(store, error):
    publish(store, made_up(seed=1))
    before, first = counts(store), analysis_of(store)
    with pytest.raises(type(error)):
        republish(store, made_up(seed=2), stop_midway(error))
    after = counts(store)
    assert {**after, "contexts": 0} == {**before, "contexts": 0}
    assert analysis_of(store).features_id == first.features_id
    assert analysis_of(store).pending == []
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=1))


def test_first_run_that_fails_shows_no_analysis(store):
    with pytest.raises(KeyboardInterrupt):
        republish(store, made_up(), stop_midway(KeyboardInterrupt()))
    with pytest.raises(UserError, match="Unknown analysis 'default' in SAE 'demo/l10'; none is known"):
        find_analysis(store, "demo/l10")
    assert counts(store)["features"] == 0


WRITER = """
import sys, time
from upath import UPath
from sae_assets.disk.layout import DataFolder
from sae_assets.settings import MongoDBConfig
from sae_assets.store.connection import connect
from sae_assets_tests.store.results import made_up
from sae_assets_tests.store.test_publish import republish

def wait(step):
    if step.done:
        print("midway", flush=True)
        time.sleep(60)

with connect(MongoDBConfig(mongo_uri=sys.argv[1] or None, mongo_db=sys.argv[2]), DataFolder(UPath(sys.argv[3]))) as s:
    republish(s, made_up(seed=2), wait)
"""


def test_documents_of_a_killed_run_are_deleted_by_the_next(store, data, mongo_cfg):
    publish(store, made_up(seed=1))
    command = [sys.executable, "-c", WRITER, mongo_cfg.mongo_uri or "", mongo_cfg.mongo_db, str(data.root)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "midway\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    assert counts(store)["features"] == 60
    assert len(analysis_of(store).pending) == 1
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=1))
    publish(store, made_up(seed=3))
    assert counts(store)["features"] == counts(store)["samples"] == 30
    assert analysis_of(store).pending == []
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=3))


def test_of_two_writers_the_later_one_counts_and_the_other_says_so(store):
    publish(store, made_up(seed=1))

    def meanwhile(step: Step) -> None:
        if step.done:
            publish(store, made_up(seed=3))

    with pytest.raises(UserError, match="Another run wrote the 'demo/l10/default' analysis at the same time; run it"):
        republish(store, made_up(seed=2), meanwhile)
    assert counts(store)["features"] == counts(store)["samples"] == 30
    assert analysis_of(store).pending == []
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=3))


@pytest.mark.parametrize(("collection", "lost"), [("samples", {"index": 7}), ("feature_columns", {"first": 0})])
def test_set_with_a_document_lost_is_not_published(store, collection, lost):
    publish(store, made_up(seed=1))

    def lose(step: Step) -> None:
        if step.done:
            (mine,) = analysis_of(store).pending
            store[collection].delete_many(where(analysis=mine.id, **lost).filter)

    with pytest.raises(UserError, match="at the same time; run it again"):
        republish(store, made_up(seed=2), lose)
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=1))
    assert counts(store)["features"] == 30


def test_error_while_tidying_up_leaves_the_published_set(store, monkeypatch):
    publish(store, made_up(seed=1))
    monkeypatch.setattr("sae_assets.store.sets._sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        publish(store, made_up(seed=2))
    monkeypatch.undo()
    assert_samples_equal(read_feature(store, "demo/l10", "default", 5), made_up(seed=2))
    publish(store, made_up(seed=3))
    assert counts(store)["features"] == 30


def test_changes_from_many_threads_are_all_made(store):
    publish(store, made_up())

    def touch() -> None:
        for _ in range(20):
            amend(
                store,
                "demo/l10/default",
                lambda before: before.model_copy(update={"n_alive": before.n_alive + 1}),  # pyright: ignore
            )

    before = analysis_of(store)
    threads = [threading.Thread(target=touch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert analysis_of(store).n_alive == before.n_alive + 80
    assert analysis_of(store).revision == before.revision + 80


def test_readers_see_the_old_result_or_the_new_one_and_no_mixture(store, data, mongo_cfg):
    versions = {seed: made_up(seed=seed) for seed in (1, 2)}
    tokens = {1: 960, 2: 720}
    versions[2] = made_up(seed=2, n_contexts=30)
    assert {seed: one.summaries.n_analyzed_tokens for seed, one in versions.items()} == tokens
    for seed in (1, 2):
        publish(store, versions[seed])
        attribute(store, versions[seed])
    done = threading.Event()
    seen: list[int] = []
    failures: list[BaseException] = []

    def read() -> None:
        try:
            with connect(mongo_cfg, data) as other:
                while not done.is_set():
                    stored = read_feature(other, "demo/l10", "default", 5)
                    seed = {960: 1, 720: 2}[stored.statistics.n_analyzed_tokens]
                    seen.append(seed)
                    assert stored.statistics.max_act == versions[seed].summaries.max_feature_acts[5]
                    assert stored.statistics.decoder_norm == versions[seed].geometry.decoder_norm[5]
                    assert [one.peak for one in stored.samples["top_activations"]] == [
                        peak for peak in versions[seed].summaries.samples["top_activations"].peak[5].tolist() if peak
                    ]
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(12):
        publish(store, versions[1 + turn % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert not failures, failures
    assert {1, 2} <= set(seen)


def test_logits_of_an_unknown_sae_name_the_nearest(store):
    publish(store, made_up())
    with pytest.raises(UserError) as error:
        publish_logits(store, "demo/l11", "default", made_up().logits, token_text)
    assert str(error.value) == "Unknown SAE 'demo/l11'; the nearest is 'demo/l10'."


def test_logits_of_another_number_of_features_are_refused(store):
    publish(store, made_up())
    with pytest.raises(UserError, match="The logits of 50 features do not belong to 'demo/l10/default', which has 30"):
        publish_logits(store, "demo/l10", "default", made_up(d_sae=50).logits, token_text)
    assert counts(store)["logits"] == 0
    assert analysis_of(store).pending == []


def test_context_that_is_missing_is_told_before_anything_counts(store):
    result = made_up()
    with pytest.raises(ValueError, match="1 sampled contexts are not given"):
        publish_analysis(
            store,
            sae_document(),
            AnalysisRecord("default", result.source),
            result.summaries,
            result.geometry,
            result.sampled[1:],
        )
    assert counts(store)["features"] == 0


def test_a_round_trip_takes_500_features_or_more(store, sent):
    result = made_up(d_sae=2000, seed=4)
    publish(store, result)
    attribute(store, result)
    once = 4  # contexts, the analysis, and the columns of features and logits
    assert sent.names.count("insert") - once <= 3 * 2000 / 500  # features, samples, logits
    assert len(sent.names) <= 3 * 2000 / 500 + 30
    sent.names.clear()
    publish(store, result)
    assert sent.names.count("insert") - 1 <= 2 * 2000 / 500


def test_a_feature_with_30_samples_of_128_tokens_takes_at_most_20_kb(store):
    result = made_up(d_sae=40, n_contexts=60, n_positions=128)
    publish(store, result)
    sizes = [len(bson.encode(one)) for name in ("features", "samples") for one in store[name].find(where().filter)]
    assert max(sizes) <= 20_000
    assert sum(len(one) for one in read_feature(store, "demo/l10", "default", 5).samples.values()) >= 10
