"""The report of a real analysis' explanations, in the store's numbers, and its files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_assets.engine.progress import silent
from sae_assets.interpretation.report import ExplanationReport
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.explanation_report import read_report, write_report
from sae_assets.runners.interpret import auto_interp
from sae_assets.store.columns import read_feature_columns
from sae_assets.store.explanations import explanation_history, explanations_of, save_explanations, write_by_hand
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lookup import find_analysis
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.project import D_SAE, SAE_ID, TinyProject

FEW = [1, 4, 9, 16, 25]


@pytest.fixture
def analysed(fresh_project: TinyProject) -> TinyProject:
    analyze_sae(fresh_project.analyze_settings(), data=fresh_project.data, progress=silent)
    return fresh_project


def explain(project: TinyProject, llm: LLMServer, features: list[int] | None, **changes: Any) -> None:
    settings = project.interpret_settings(llm.base_url, features=features, auto_interp=changes)
    auto_interp(settings, data=project.data, progress=silent)


def report(project: TinyProject) -> ExplanationReport:
    with project.store() as store:
        return read_report(store, find_analysis(store, SAE_ID))


def files(project: TinyProject) -> tuple[dict[str, Any], str]:
    folder = Path(str(project.data.checkpoint("tiny", "sae-l0").path))
    return (
        json.loads((folder / "explanation_report.json").read_text()),
        (folder / "explanation_report.md").read_text(),
    )


def test_a_run_leaves_the_report_of_all_that_is_explained(analysed, llm):
    explain(analysed, llm, FEW)
    with analysed.store() as store:
        explanations = explanations_of(store, SAE_ID, "default")
        density = read_feature_columns(store, find_analysis(store, SAE_ID).analysis).density
        versions = [explanation_history(store, SAE_ID, "default", index)[0] for index in FEW]
    found = report(analysed)
    assert (found.n_explained, found.d_sae, found.n_alive, found.n_by_hand) == (len(FEW), D_SAE, D_SAE - 1, 0)
    assert found.usage.requests == sum(one.usage["requests"] for one in versions) == len(llm.requests)
    assert found.usage.prompt_tokens == 100 * len(llm.requests)
    assert found.origins == ((("openai", "judge-2024", versions[0].prompt_hash, False), len(FEW)),)
    assert not found.is_mixed
    assert [one.scorer for one in found.scorers] == ["detection", "fuzzing"]
    for scorer in found.scorers:
        scores = [score for one in explanations for score in one.scores if score["scorer"] == scorer.scorer]
        values = [score["value"] for score in scores if score["value"] is not None]
        assert scorer.mean is not None
        assert (scorer.mean.n, scorer.n_without_value) == (len(values), len(FEW) - len(values))
        assert scorer.mean.value == pytest.approx(np.mean(values))
        assert sum(decile.mean.n for decile in scorer.by_density) == len(values)
        assert len(scorer.prompts) == 1
    assert found.scorers[0].by_density[-1].highest <= density[FEW].max()
    values, text = files(analysed)
    assert values == json.loads(json.dumps(found.to_json()))
    assert text.startswith("# Explanations of tiny/sae-l0 (default)\n\n5 of 64 features (63 alive) are explained.")


def test_failures_are_counted_by_what_failed(analysed, llm):
    llm.fault_for = lambda request: content("I would rather not.") if request.ask.kind == "explaining" else None
    explain(analysed, llm, FEW)
    assert (report(analysed).n_explained, report(analysed).failures) == (0, {"answer": len(FEW)})
    assert "5 could not be, by what failed: 5 (answer)" in files(analysed)[1]


def test_only_explanations_that_count_are_reported(analysed, llm):
    explain(analysed, llm, [1, 4], scorer_type=["detection"])
    explain(analysed, llm, [4], scorer_type=["detection"], overwrite_existing=True, explainer_type="neuronpedia")
    with analysed.store() as store:
        write_by_hand(store, SAE_ID, "default", 1, "about foxes")
    found = report(analysed)
    assert (found.n_explained, found.n_by_hand) == (2, 1)
    assert sorted((origin.explainer or "by hand", n) for origin, n in found.origins) == [
        ("by hand", 1),
        ("neuronpedia", 1),
    ]
    assert not found.is_mixed
    explain(analysed, llm, [9], scorer_type=["detection"])
    assert report(analysed).is_mixed
    assert "**Mixed:**" in files(analysed)[1]


def test_explanations_without_a_story_and_of_features_that_are_gone_do_no_harm(analysed):
    documents = [
        ExplanationVersionDocument(sae=SAE_ID, analysis="default", index=index, text="x", model="m", usage=usage)
        for index, usage in ((2, {}), (3, {"requests": 2, "from_another_version": 1}), (D_SAE + 5, {}))
    ]
    with analysed.store() as store:
        save_explanations(store, documents)
        store["explanation_versions"].delete_one({"index": 2})
        found = write_report(store, analysed.data, find_analysis(store, SAE_ID))
    assert (found.n_explained, found.usage.requests, found.usage.cost) == (2, 2, None)
    assert files(analysed)[0]["n_explained"] == 2
