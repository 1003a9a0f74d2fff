"""What `feature_explanations` says of a run and of all explanations of a checkpoint."""

from typing import Any

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets_tests.assets.materializing import checks, materialize, metadata
from sae_assets_tests.interpretation.judges import always
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.project import DEAD, TinyProject

SILENT_SOMEWHERE = [3, 4, 23, 29]
"""Features that are silent in some contexts, so that they can be scored."""
COST = (100 * 0.5 + 10 * 1.5) / 1e6
"""What a request costs by the price of the default model and the scripted server's usage."""


@pytest.fixture
def analysed(fresh_project: TinyProject) -> TinyProject:
    analyze_sae(fresh_project.analyze_settings(), data=fresh_project.data, progress=silent)
    return fresh_project


def explain(project: TinyProject, llm: LLMServer, features: list[int], **changes: Any):
    asked = {"openai_base_url": llm.base_url, "scorer_type": ["detection", "simulation"]}
    return materialize(project, "feature_explanations", config={"auto_interp": asked, "features": features} | changes)


def test_metadata_says_what_was_done_paid_and_found(analysed):
    with LLMServer() as llm:
        told = metadata(explain(analysed, llm, SILENT_SOMEWHERE), "feature_explanations")
        n = len(llm.requests)
    assert (told["explained now"], told["explained in all"], told["failed"], told["remaining"]) == (4, 4, 0, 0)
    assert (told["requests"], told["tokens"]) == (n, 110 * n)
    assert told["cost in dollars"] == pytest.approx(n * COST)
    assert told["requests saved by the cache"] == 0
    assert 0 <= told["mean detection"] <= 1 and -1 <= told["mean simulation"] <= 1
    assert told["mean detection, 95 % interval"].startswith(f"{told['mean detection']:.3f} (")
    assert "| detection | 4 |" in told["scores"]
    assert "**detection**" in told["scores by density"] and "**simulation**" in told["scores by density"]
    assert told["spread of scores"].startswith("![features by detection, simulation](data:image/png;base64,")
    assert [record.data["index"] for record in told["examples"].records] == SILENT_SOMEWHERE
    assert told["look at all"].endswith("/saes/tiny/sae-l0/default/features")
    assert "mixed" not in told and "failures" not in told


def test_answers_from_the_cache_are_said_to_be_saved(analysed):
    with LLMServer() as llm:
        explain(analysed, llm, SILENT_SOMEWHERE)
        n = len(llm.requests)
        asked = {"openai_base_url": llm.base_url, "overwrite_existing": True, "scorer_type": ["detection"]}
        told = metadata(explain(analysed, llm, SILENT_SOMEWHERE, auto_interp=asked), "feature_explanations")
        assert len(llm.requests) == n
    assert (told["requests"], told["cost in dollars"]) == (0, 0.0)
    assert told["requests saved by the cache"] >= 2 * len(SILENT_SOMEWHERE)
    assert told["dollars saved by the cache"] == pytest.approx(told["requests saved by the cache"] * COST)


def test_a_budget_that_ends_is_told_with_what_remains_and_what_to_do(analysed, capfd):
    with LLMServer() as llm:
        result = explain(analysed, llm, list(range(20)), max_tokens=6000, max_workers=1)
    assert result.success
    told = metadata(result, "feature_explanations")
    assert 0 < told["explained now"] < 20
    assert told["remaining"] == 20 - told["explained now"]
    (warning,) = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    assert f"{told['remaining']} remain" in warning and "run it again to go on" in warning


def test_failures_are_listed_with_their_reason(analysed):
    with LLMServer() as llm:
        llm.fault_for = lambda _request: content("I would rather not.")
        told = metadata(explain(analysed, llm, [3, DEAD]), "feature_explanations")
    assert (told["explained now"], told["failed"], told["remaining"]) == (0, 2, 0)
    failures = {record.data["index"]: record.data for record in told["failures"].records}
    assert failures[3]["what failed"] == "answer" and "does not have the form" in failures[3]["reason"]
    assert failures[DEAD]["what failed"] == "examples"


def test_means_below_the_floor_fail_their_check(analysed):
    with LLMServer(always(True)) as llm:
        result = explain(analysed, llm, SILENT_SOMEWHERE, checks={"min_mean_score": 0.6})
        assert checks(result) == {"scores_above_floor": False}
        again = explain(analysed, llm, SILENT_SOMEWHERE, checks={"min_mean_score": 0.5})
        assert checks(again) == {"scores_above_floor": True}
