"""Running it again: what was asked is not asked again, and what failed is."""

import pyarrow.parquet as pq
import pytest

from sae_assets import UserError
from sae_assets.store.lookup import checkpoints
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.llm_server import LLMServer, content, status
from sae_assets_tests.project import DEAD, TinyProject
from sae_assets_tests.runners.explaining import FEW, explain, failures, stored, story


def unreadable(llm: LLMServer) -> None:
    llm.fault_for = lambda request: content("I would rather not.") if request.ask.kind == "explaining" else None


def test_scorer_that_is_added_later_asks_only_its_own_questions(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm, scorer_type=["detection"])
    before, n_requests = {one.index: one.text for one in stored(analysed)}, len(llm.requests)
    report = explain(analysed, llm, scorer_type=["detection", "fuzzing"], overwrite_existing=True)
    assert report.n_explained == 3
    assert {request.ask.kind for request in llm.requests[n_requests:]} == {"fuzzing"}
    assert report.saved.requests == n_requests
    assert {one.index: one.text for one in stored(analysed)} == before
    for one in stored(analysed):
        assert [score["scorer"] for score in one.scores] == ["detection", "fuzzing"]
    (newest, oldest) = story(analysed, 4)
    assert newest.usage["n_from_cache"] == oldest.usage["requests"] < newest.usage["requests"]


def test_unreadable_answer_is_asked_anew_by_the_next_run_and_its_reason_kept_until_then(
    analysed: TinyProject, llm: LLMServer
):
    unreadable(llm)
    for n_runs in (1, 2):
        report = explain(analysed, llm)
        assert len(llm.requests) == 3 * n_runs
        assert sorted(failure.index for failure in report.failures) == FEW
        assert [(one.index, one.kind) for one in failures(analysed)] == [(index, "answer") for index in FEW]
    reasons = {one.index: one.reason for one in report.failures}
    for one in failures(analysed):
        assert one.reason == reasons[one.index] and one.model == "gpt-3.5-turbo"
    llm.fault_for = lambda _request: None
    assert explain(analysed, llm).n_explained == 3
    assert failures(analysed) == []
    n_requests = len(llm.requests)
    assert explain(analysed, llm, overwrite_existing=True).n_explained == 3
    assert len(llm.requests) == n_requests


def test_request_that_failed_is_sent_again_as_it_was(analysed: TinyProject, llm: LLMServer):
    llm.fault_for = lambda _request: status(400, "no")
    explain(analysed, llm, [4, 9])
    assert [(one.index, one.kind) for one in failures(analysed)] == [(4, "endpoint"), (9, "endpoint")]
    refused = {request.prompt for request in llm.requests}
    llm.fault_for = lambda _request: None
    llm.requests.clear()
    assert explain(analysed, llm, [4, 9]).n_explained == 2
    assert {request.prompt for request in llm.requests if request.ask.kind == "explaining"} == refused
    assert failures(analysed) == []


def test_what_was_explained_before_the_endpoint_died_is_in_the_table_and_the_means(
    analysed: TinyProject, llm: LLMServer
):
    llm.fault_for = lambda _request: status(401) if len(llm.requests) > 50 else None
    with pytest.raises(UserError, match="wants an API key"):
        explain(analysed, llm, None, max_workers=1)
    explained = [one.index for one in stored(analysed)]
    assert 0 < len(explained) < 50
    table = pq.read_table(str(analysed.data.checkpoint("tiny", "sae-l0").explanations))
    assert table.column("index").to_pylist() == explained
    with analysed.store() as store:
        (row,) = checkpoints(store)
    assert row.n_explained == len(explained) and row.mean_scores.keys() == {"detection", "fuzzing"}


def test_dead_feature_has_a_reason_and_no_question(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm, [DEAD])
    (failure,) = failures(analysed)
    assert (failure.index, failure.kind) == (DEAD, "examples")
    assert failure.reason == "There is no window in which the feature is active."


def test_stored_scores_have_their_table_its_measures_and_every_verdict(analysed: TinyProject, llm: LLMServer):
    explain(analysed, llm)
    n_tables = 0
    for index in FEW:
        for score in story(analysed, index)[0].scores:
            counts = score["counts"]
            if counts is None:
                continue
            n_tables += 1
            right = counts["true_positive"] + counts["true_negative"]
            assert score["accuracy"] == right / sum(counts.values())
            assert score["value"] == score["balanced_accuracy"]
            assert {"precision", "recall", "f1"} <= score.keys()
            assert len(score["verdicts"]) == score["n"] + score["n_unparsable"]
            assert (
                sum(said is True and is_positive for _, is_positive, said in score["verdicts"])
                == (counts["true_positive"])
            )
    assert n_tables >= 3


def test_cache_that_cannot_be_read_is_one_sentence_and_is_left_alone(analysed: TinyProject, llm: LLMServer):
    analysed.data.answers.write_bytes(b"something else" * 1000)
    with pytest.raises(UserError, match=r"cache of answers .* cannot be used"):
        explain(analysed, llm)
    assert analysed.data.answers.read_bytes() == b"something else" * 1000


def test_batches_give_what_direct_questions_give_at_about_half_the_price(analysed: TinyProject, llm: LLMServer):
    server = BatchServer()
    with server:
        by_batch = explain(analysed, server, mode="batch")
        assert by_batch.n_explained == 3 and len(server.prompts) == by_batch.spent.requests
    batched = {index: story(analysed, index)[0] for index in FEW}
    direct = explain(analysed, llm, overwrite_existing=True, use_cache=False)
    # The first question of all is asked directly, to see that the endpoint works.
    n_requests, cost = direct.spent.requests, direct.spent.cost or 0
    assert by_batch.spent.cost == pytest.approx(cost * (n_requests + 1) / (2 * n_requests))
    for index, one in batched.items():
        again = story(analysed, index)[0]
        assert (again.text, again.prompt, again.answer) == (one.text, one.prompt, one.answer)
        assert [(score["scorer"], score["value"], score["verdicts"]) for score in again.scores] == [
            (score["scorer"], score["value"], score["verdicts"]) for score in one.scores
        ]


def test_answers_of_a_batch_serve_a_direct_run(analysed: TinyProject, llm: LLMServer):
    server = BatchServer()
    with server:
        explain(analysed, server, [4], mode="batch")
    assert explain(analysed, llm, [4], overwrite_existing=True).n_explained == 1
    assert llm.requests == []
