"""Why a feature could not be explained is known until it is explained."""

from sae_assets.store.explanations import save_explanations, write_by_hand
from sae_assets.store.failures import failures_of, save_failures
from sae_assets.store.kept_documents import ExplanationFailureDocument, ExplanationVersionDocument

SAE = "demo/l10"


def failure(index: int, reason: str = "The answer is empty.", analysis: str = "default"):
    return ExplanationFailureDocument(
        sae=SAE, analysis=analysis, index=index, reason=reason, kind="answer", model="gpt-4o"
    )


def explanation(index: int, analysis: str = "default") -> ExplanationVersionDocument:
    return ExplanationVersionDocument(sae=SAE, analysis=analysis, index=index, text="about foxes")


def test_failures_come_back_as_they_were_by_index(store):
    written = [failure(9), failure(2, "学习 🙂"), failure(4)]
    save_failures(store, written)
    assert failures_of(store, SAE, "default") == sorted(written, key=lambda one: one.index)
    assert failures_of(store, SAE, "default", [4, 5]) == [written[2]]
    assert failures_of(store, SAE, "other") == failures_of(store, "demo/l11", "default") == []


def test_later_failure_takes_the_place_of_the_earlier_one(store):
    save_failures(store, [failure(2), failure(3)])
    later = failure(2, "The endpoint did not answer.")
    save_failures(store, [later])
    assert failures_of(store, SAE, "default", [2]) == [later]
    assert len(failures_of(store, SAE, "default")) == 2


def test_no_failures_are_no_mistake(store):
    save_failures(store, [])
    assert failures_of(store, SAE, "default") == []


def test_what_is_explained_has_no_failure_any_more(store):
    save_failures(store, [failure(1), failure(2), failure(3), failure(2, analysis="other")])
    save_explanations(store, [explanation(2), explanation(4)])
    write_by_hand(store, SAE, "default", 3, "mine")
    assert [one.index for one in failures_of(store, SAE, "default")] == [1]
    assert [one.index for one in failures_of(store, SAE, "other")] == [2]
    assert failures_of(store, SAE, "default", [2, 3]) == []


def test_an_explanation_of_a_model_clears_the_failure_also_where_a_persons_one_stays(store):
    write_by_hand(store, SAE, "default", 2, "mine")
    save_failures(store, [failure(2)])
    save_explanations(store, [explanation(2)])
    assert failures_of(store, SAE, "default") == []
