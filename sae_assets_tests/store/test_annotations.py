"""Tags and notes are kept by SAE and feature, and only while they say something."""

from threading import Thread

from sae_assets.store.annotations import annotate, annotations_of
from sae_assets.store.connection import connect

SAE = "demo/l10"


def test_annotation_replaces_the_one_before(store):
    annotate(store, SAE, 3, ["old"], "first")
    written = annotate(store, SAE, 3, ["学", "two words"], "line\n🙂")
    annotate(store, SAE, 5, [], "only a note")
    annotate(store, "demo/l11", 3, ["other"], "")
    found = annotations_of(store, SAE)
    assert found.keys() == {3, 5}
    assert found[3] == written
    assert (found[3].tags, found[3].note) == (["学", "two words"], "line\n🙂")
    assert annotations_of(store, SAE, [5, 7]).keys() == {5}
    assert store["annotations"].count_documents({}) == 3


def test_annotation_that_says_nothing_goes(store):
    annotate(store, SAE, 3, ["a"], "b")
    annotate(store, SAE, 3, [" "], "")
    annotate(store, SAE, 4, [], "")
    assert annotations_of(store, SAE) == {}


def test_tags_are_trimmed_and_each_is_kept_once(store):
    assert annotate(store, SAE, 3, [" b", "a", "b ", ""], "").tags == ["b", "a"]


def test_operators_are_plain_text(store):
    annotate(store, SAE, 3, ["$gt", "a.b"], '{"$gt": ""}')
    assert annotations_of(store, SAE)[3].tags == ["$gt", "a.b"]
    assert annotations_of(store, '{"$gt": ""}') == {}


def test_two_who_write_at_once_leave_one_annotation(store, data, mongo_cfg):
    def write(text: str) -> None:
        with connect(mongo_cfg, data) as other:
            for index in range(20):
                annotate(other, SAE, index, [text], text)

    threads = [Thread(target=write, args=[text]) for text in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = annotations_of(store, SAE)
    assert found.keys() == set(range(20))
    assert all(one.tags == [one.note] for one in found.values())
    assert store["annotations"].count_documents({}) == 20
