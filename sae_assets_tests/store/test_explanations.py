"""Explanations replace each other, but never a person's; bookmarks are kept once."""

from sae_assets.store.bookmarks import add_bookmark, bookmarks
from sae_assets.store.documents import ExplanationDocument
from sae_assets.store.explanations import explained_features, explanations_of, save_explanations


def explanation(index: int, text: str, *, is_by_hand: bool = False, analysis: str = "default") -> ExplanationDocument:
    return ExplanationDocument(
        sae="demo/l10",
        analysis=analysis,
        index=index,
        text=text,
        scores=[{"scorer": "detection", "value": 0.5, "counts": [1, 2, 3, 4], "reason": None}],
        usage={"requests": 3},
        is_by_hand=is_by_hand,
    )


def texts(store) -> dict[int, str]:
    return {one.index: one.text for one in explanations_of(store, "demo/l10", "default")}


def test_explanation_comes_back_as_it_was(store):
    written = explanation(3, "学习 🙂")
    save_explanations(store, [written])
    assert explanations_of(store, "demo/l10", "default") == [written]


def test_model_replaces_a_model_and_a_person_replaces_both(store):
    save_explanations(store, [explanation(1, "first"), explanation(2, "first")])
    save_explanations(store, [explanation(2, "second")])
    assert texts(store) == {1: "first", 2: "second"}
    save_explanations(store, [explanation(2, "mine", is_by_hand=True)])
    save_explanations(store, [explanation(2, "mine, better", is_by_hand=True)])
    assert texts(store) == {1: "first", 2: "mine, better"}


def test_model_never_replaces_a_person_and_the_others_of_the_batch_are_written(store):
    save_explanations(store, [explanation(2, "mine", is_by_hand=True)])
    save_explanations(store, [explanation(index, "model") for index in (1, 2, 3)])
    assert texts(store) == {1: "model", 2: "mine", 3: "model"}


def test_explained_features_are_those_of_the_analysis(store):
    save_explanations(store, [explanation(1, "x"), explanation(5, "x"), explanation(9, "x", analysis="other")])
    save_explanations(store, [])
    assert explained_features(store, "demo/l10", "default") == {1, 5}
    assert explained_features(store, "demo/l11", "default") == set()
    assert [one.index for one in explanations_of(store, "demo/l10", "default", [5, 7])] == [5]


def test_feature_is_marked_once_with_its_latest_note(store):
    add_bookmark(store, "demo/l10", 7)
    add_bookmark(store, "demo/l10", 3, "odd")
    add_bookmark(store, "demo/l10", 7, "学")
    assert [(one.index, one.note) for one in bookmarks(store, "demo/l10")] == [(3, "odd"), (7, "学")]
    assert bookmarks(store, "demo/l11") == []
