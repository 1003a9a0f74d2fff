"""Explanations replace each other, but never a person's, and none is ever lost."""

import pytest
from pymongo.errors import AutoReconnect

from sae_assets.settings import UserError
from sae_assets.store.explanations import (
    explained_features,
    explanation_history,
    explanations_of,
    explanations_written_since,
    save_explanations,
    write_by_hand,
)
from sae_assets.store.kept_documents import ExplanationVersionDocument

SAE = "demo/l10"


def explanation(
    index: int, text: str, *, is_by_hand: bool = False, analysis: str = "default", **fields
) -> ExplanationVersionDocument:
    return ExplanationVersionDocument(
        sae=SAE,
        analysis=analysis,
        index=index,
        text=text,
        scores=[{"scorer": "detection", "value": 0.5, "counts": [1, 2, 3, 4], "reason": None}],
        prompt="学 " * 1000,
        usage={"requests": 3},
        is_by_hand=is_by_hand,
        **fields,
    )


def texts(store) -> dict[int, str]:
    return {one.index: one.text for one in explanations_of(store, SAE, "default")}


def history(store, index: int) -> list[str]:
    return [one.text for one in explanation_history(store, SAE, "default", index)]


def test_explanation_comes_back_as_it_was(store):
    written = explanation(3, "学习 🙂")
    save_explanations(store, [written])
    assert explanation_history(store, SAE, "default", 3) == [written]
    assert explanations_of(store, SAE, "default") == [written.current]
    assert written.current.scores == [{"scorer": "detection", "value": 0.5}]


def test_what_counts_is_small_and_points_to_its_version(store):
    save_explanations(store, [explanation(3, "x")])
    (current,) = store["explanations"].find({})
    assert current.keys().isdisjoint({"prompt", "prompt_hash", "answer", "usage", "seconds"})
    (version,) = explanation_history(store, SAE, "default", 3)
    assert current["version"] == version.version
    assert abs(current["written_ms"] / 1000 - version.created_at.timestamp()) < 1


def test_model_replaces_a_model_and_a_person_replaces_both(store):
    save_explanations(store, [explanation(1, "first"), explanation(2, "first")])
    save_explanations(store, [explanation(2, "second")])
    assert texts(store) == {1: "first", 2: "second"}
    write_by_hand(store, SAE, "default", 2, "mine")
    written = write_by_hand(store, SAE, "default", 2, "mine, better")
    assert texts(store) == {1: "first", 2: "mine, better"}
    assert explanations_of(store, SAE, "default", [2]) == [written]
    assert (written.is_by_hand, written.model, written.scores) == (True, None, [])


def test_model_never_replaces_a_person_and_the_others_of_the_batch_are_written(store):
    write_by_hand(store, SAE, "default", 2, "mine")
    save_explanations(store, [explanation(index, "model") for index in (1, 2, 3)])
    assert texts(store) == {1: "model", 2: "mine", 3: "model"}


def test_history_holds_each_version_newest_first(store):
    save_explanations(store, [explanation(2, "first", written_ms=1)])
    save_explanations(store, [explanation(2, "second", written_ms=2), explanation(3, "other", written_ms=2)])
    write_by_hand(store, SAE, "default", 2, "mine")
    save_explanations(store, [explanation(2, "too late", written_ms=1 << 50)])
    save_explanations(store, [explanation(2, "elsewhere", analysis="other")])
    assert history(store, 2) == ["too late", "mine", "second", "first"]
    assert texts(store)[2] == "mine"
    assert history(store, 4) == []


def test_writer_that_dies_leaves_a_version_and_nothing_half(store, monkeypatch):
    save_explanations(store, [explanation(2, "first", written_ms=1)])

    def dies(*_: object, **__: object) -> None:
        raise AutoReconnect("gone")

    monkeypatch.setattr("pymongo.collection.Collection.bulk_write", dies)
    with pytest.raises(UserError, match="does not answer"):
        save_explanations(store, [explanation(2, "second")])
    assert texts(store) == {2: "first"}
    assert history(store, 2) == ["second", "first"]


def test_what_was_written_since_a_time_is_found_from_its_millisecond_on(store):
    save_explanations(store, [explanation(index, "x", written_ms=1000 + index) for index in (1, 2, 3)])
    save_explanations(store, [explanation(9, "x", analysis="other", written_ms=1009)])

    def since(ms: int) -> list[int]:
        return [one.index for one in explanations_written_since(store, SAE, "default", ms)]

    assert (since(1001), since(1002), since(1004)) == ([1, 2, 3], [2, 3], [])
    save_explanations(store, [explanation(1, "y", written_ms=2000)])
    assert since(1003) == [1, 3]
    written = write_by_hand(store, SAE, "default", 7, "mine")
    assert since(written.written_ms) == [7]


def test_explained_features_are_those_of_the_analysis(store):
    save_explanations(store, [explanation(1, "x"), explanation(5, "x"), explanation(9, "x", analysis="other")])
    save_explanations(store, [])
    assert explained_features(store, SAE, "default") == {1, 5}
    assert explained_features(store, "demo/l11", "default") == set()
    assert [one.index for one in explanations_of(store, SAE, "default", [5, 7])] == [5]


def test_explanation_from_before_versions_were_kept_can_be_read(store):
    old = {"sae": SAE, "analysis": "default", "index": 4, "text": "old", "is_by_hand": False, "prompt": "long"}
    store["explanations"].insert_one(old)
    (read,) = explanations_of(store, SAE, "default")
    assert (read.text, read.version) == ("old", "")
    save_explanations(store, [explanation(4, "new")])
    assert texts(store) == {4: "new"}
