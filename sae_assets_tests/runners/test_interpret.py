"""Features of a real analysis are explained once, stored with their story, and never lose what a person wrote."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sae_assets import UserError, auto_interp
from sae_assets.engine.progress import silent
from sae_assets.interpretation.records import Usage
from sae_assets.runners.interpretation_report import InterpretationReport
from sae_assets.store.explanations import mean_scores, write_by_hand
from sae_assets.store.lookup import checkpoints
from sae_assets_tests.interpretation.judges import explanation
from sae_assets_tests.interpretation.llm_server import content, status
from sae_assets_tests.project import D_SAE, DEAD, SAE_ID, TinyProject
from sae_assets_tests.runners.explaining import FEW, explain, failures, stored, story
from sae_assets_tests.runners.published import document_counts

KEY = "sk-s3cret-0123456789"
ALIVE = [index for index in range(D_SAE) if index != DEAD]


def by_hand(project: TinyProject, index: int) -> None:
    with project.store() as store:
        write_by_hand(store, SAE_ID, "default", index, "about foxes")


def test_every_alive_feature_is_explained_and_stored_with_its_story(analysed, llm):
    report = explain(analysed, llm, None)
    assert report == InterpretationReport(len(ALIVE), 0, ())
    n_requests = len(llm.requests)
    assert report.spent[:3] == (n_requests, 100 * n_requests, 10 * n_requests)
    assert report.spent.cost == pytest.approx(65e-6 * n_requests)
    assert report.saved == Usage() and report.seconds > 0 and not report.has_budget_ended
    dollars = f"{65e-6 * n_requests:.3f}".rstrip("0")
    assert report.sentence == f"63 features explained for ${dollars} ({110 * n_requests:,} tokens)."
    assert [one.index for one in stored(analysed)] == ALIVE
    explanations = [version for index in ALIVE for version in story(analysed, index)]
    assert [one.current for one in explanations] == stored(analysed)
    prompts = {request.prompt for request in llm.requests}
    for one in explanations:
        assert one.text.startswith("the word")
        assert (one.consistency, one.complexity, one.explainer, one.model) == (5, 1, "openai", "judge-2024")
        assert one.prompt in prompts and one.prompt_hash
        assert json.loads(one.answer or "")["final_explanation"].strip() == one.text
        assert [score["scorer"] for score in one.scores] == ["detection", "fuzzing"]
        assert all(score["value"] is None or 0 <= score["value"] <= 1 for score in one.scores)
        assert sum(score["value"] is not None for score in one.scores) >= 1
        assert one.usage["requests"] >= 2 and one.usage["prompt_tokens"] == 100 * one.usage["requests"]
        assert one.seconds and not one.is_by_hand
    assert sum(one.usage["requests"] for one in explanations) == len(llm.requests)
    with analysed.store() as store:
        row = checkpoints(store)[0]
    assert row.n_explained == len(ALIVE)
    assert row.mean_scores == mean_scores(explanations) and row.mean_scores.keys() == {"detection", "fuzzing"}


def test_second_run_asks_nothing(analysed, llm):
    explain(analysed, llm)
    before, n_requests = stored(analysed), len(llm.requests)
    report = explain(analysed, llm)
    assert report == InterpretationReport(0, 3, ())
    assert report.sentence == "0 features explained, 3 were there already."
    assert len(llm.requests) == n_requests
    assert stored(analysed) == before


def test_run_over_all_features_goes_on_where_an_earlier_one_ended(analysed, llm):
    explain(analysed, llm)
    assert explain(analysed, llm, None, scorer_type=[]) == InterpretationReport(len(ALIVE) - 3, 3, ())
    assert [one.index for one in stored(analysed)] == ALIVE


def test_only_the_features_asked_for_are_explained_each_once(analysed, llm):
    assert explain(analysed, llm, [9, 4, 9]) == InterpretationReport(2, 0, ())
    assert [one.index for one in stored(analysed)] == [4, 9]


def test_overwriting_asks_again_but_keeps_what_a_person_wrote(analysed, llm):
    explain(analysed, llm)
    by_hand(analysed, 4)
    n_requests = len(llm.requests)
    before = {one.index: one for one in stored(analysed)}
    assert explain(analysed, llm, overwrite_existing=True, use_cache=False) == InterpretationReport(2, 1, ())
    assert len(llm.requests) > n_requests
    after = {one.index: one for one in stored(analysed)}
    assert after.keys() == before.keys()
    assert after[4] == before[4] and after[4].text == "about foxes"
    assert after[1].created_at > before[1].created_at
    assert [one.current for one in story(analysed, 1)] == [after[1], before[1]]


def test_failed_features_are_listed_and_tried_again(analysed, llm):
    llm.fault_for = lambda request: content("I would rather not.") if request.ask.kind == "explaining" else None
    llm.faults = [lambda reply: reply.send_content('{"final_explanation": "x"}')]
    report = explain(analysed, llm)
    assert report.n_explained == 0
    assert sorted(failure.index for failure in report.failures) == FEW
    assert report.sentence.startswith(
        "0 features explained for $0.00019 (330 tokens); 3 could not be, the first of them feature "
    )
    assert report.sentence.endswith(".")
    assert stored(analysed) == []
    llm.fault_for = lambda _request: None
    assert explain(analysed, llm) == InterpretationReport(3, 0, ())


def test_half_a_character_in_what_an_endpoint_says_stops_nothing(analysed, llm):
    said = json.dumps(explanation("cats") | {"steps": ["\ud83d"]}, ensure_ascii=False)
    llm.faults = [content(said), content("\ud83d"), *[status(400, "\ud83d")] * 3]
    report = explain(analysed, llm, scorer_type=[], max_workers=1)
    assert (report.n_explained, [failure.index for failure in report.failures]) == (1, [4, 9])
    assert story(analysed, 1)[0].answer == said.replace("\ud83d", "\ufffd")
    assert "status 400: \ufffd" in failures(analysed)[1].reason


def test_dead_feature_that_is_asked_for_is_not_explained(analysed, llm):
    report = explain(analysed, llm, [DEAD])
    assert [(failure.index, failure.kind) for failure in report.failures] == [(DEAD, "examples")]
    assert llm.requests == []


def test_table_of_explanations_holds_what_is_stored(analysed, llm):
    by_hand(analysed, 2)
    explain(analysed, llm)
    rows = pq.read_table(str(analysed.data.checkpoint("tiny", "sae-l0").explanations)).to_pylist()
    explanations = stored(analysed)
    assert [row["index"] for row in rows] == [1, 2, 4, 9]
    for row, one in zip(rows, explanations, strict=True):
        assert (row["text"], row["consistency"], row["model"]) == (one.text, one.consistency, one.model)
        assert (row["is_by_hand"], row["created_at"]) == (one.is_by_hand, one.created_at)
        assert [(s["scorer"], s["value"], s["n"]) for s in row["scores"]] == [
            (s["scorer"], s["value"], s["n"]) for s in one.scores
        ]


def test_key_is_sent_and_written_nowhere(analysed, llm):
    llm.key = KEY
    assert explain(analysed, llm, openai_api_key=KEY).n_explained == 3
    llm.key = "another"
    with pytest.raises(UserError, match="refused the API key") as error:
        explain(analysed, llm, overwrite_existing=True, use_cache=False, openai_api_key=KEY)
    assert KEY not in str(error.value)
    with analysed.store() as store:
        for name in document_counts(store):
            assert KEY not in str(list(store[name].find({})))
    files = [path for path in Path(str(analysed.data.root)).rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_without_an_endpoint_it_says_how_to_set_one(analysed):
    with pytest.raises(UserError, match="No endpoint is configured: set OPENAI_API_KEY, or OPENAI_BASE_URL"):
        auto_interp(analysed.interpret_settings(None), data=analysed.data, progress=silent)
    assert not analysed.data.checkpoint("tiny", "sae-l0").explanations.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sae_name": "sae-10"}, "Unknown SAE 'tiny/sae-10'; the nearest is 'tiny/sae-l0'"),
        ({"analysis_name": "other"}, "Unknown analysis 'other' in SAE 'tiny/sae-l0'; the nearest is 'default'"),
        ({"features": [3, 64]}, "There is no feature 64 in 'tiny/sae-l0/default'; they go from 0 to 63"),
    ],
)
def test_mistake_is_one_sentence_before_anything_is_asked(analysed, llm, changes, sentence):
    with pytest.raises(UserError, match=sentence):
        auto_interp(analysed.interpret_settings(llm.base_url, **changes), data=analysed.data, progress=silent)
    assert llm.requests == []
