"""`show feature --explanation` tells the whole story of an explanation, for people and for programs."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.interpret import auto_interp
from sae_assets.store.explanations import explanation_history, write_by_hand
from sae_assets.store.reading import read_feature
from sae_assets_tests.interpretation.judges import always
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import DEAD, SAE_ID, TinyProject

FEATURE, TWICE, BY_HAND, FAILED, NEVER = 3, 4, 9, 12, 20
"""The first two are silent in some contexts, so that they can be scored."""
REQUEST_COST = (100 * 0.5 + 10 * 1.5) / 1e6
"""What a request costs by the price of the default model and the scripted server's usage."""


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """A project with one explanation, two of one feature, one by hand, and a feature that could not be explained."""
    with tiny_project.copy(tmp_path_factory.mktemp("story") / "project").served() as project:
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        with LLMServer(always(True)) as llm:
            explain(project, llm, [FEATURE, TWICE, DEAD])
            explain(project, llm, [TWICE], explainer_type="neuronpedia", overwrite_existing=True)
            llm.fault_for = lambda _request: content("\x1b[31mI would rather not.")
            explain(project, llm, [FAILED])
        with project.store() as store:
            write_by_hand(store, SAE_ID, "default", BY_HAND, "about foxes")
        yield project


def explain(project: TinyProject, llm: LLMServer, features: list[int], **changes: Any) -> None:
    changes = {"scorer_type": ["detection", "simulation"]} | changes
    settings = project.interpret_settings(llm.base_url, features=features, auto_interp=changes)
    auto_interp(settings, data=project.data, progress=silent)


@cache
def shown(project: TinyProject, index: int, *words: str) -> str:
    result = run_command(project, "show", "feature", SAE_ID, str(index), *words, COLUMNS="2000")
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    return result.stdout


def story(project: TinyProject, index: int) -> dict[str, Any]:
    return json.loads(shown(project, index, "--explanation", "--json"))


def test_story_is_that_of_the_version_that_counts(explained):
    told = story(explained, FEATURE)
    with explained.store() as store:
        (version,) = explanation_history(store, SAE_ID, "default", FEATURE)
    explanation = told["explanation"]
    assert (told["name"], told["series"], told["analysis"], told["index"]) == ("sae-l0", "tiny", "default", FEATURE)
    for name in ("version", "text", "prompt", "answer", "prompt_hash", "model", "explainer", "usage", "seconds"):
        assert explanation[name] == getattr(version, name) and explanation[name], name
    assert explanation["scores"] == json.loads(json.dumps(version.scores))
    assert explanation["usage"]["cost"] == pytest.approx(REQUEST_COST * explanation["usage"]["requests"])
    assert (told["failure"], told["history"]) == (None, [])


def test_windows_that_the_judge_got_wrong_are_told_with_their_text(explained):
    told = story(explained, FEATURE)
    detection = told["explanation"]["scores"][0]
    assert detection["value"] == 0.5 and detection["counts"]["false_positive"] > 0
    assert len(told["misjudged"]) == detection["counts"]["false_positive"]
    with explained.store() as store:
        silent_samples = read_feature(store, SAE_ID, "default", FEATURE).samples["non_activating"]
    texts = {sample.context.context_idx: sample.context.text for sample in silent_samples}
    for one in told["misjudged"]:
        assert (one["scorer"], one["is_positive"], one["said"]) == ("detection", False, True)
        assert one["text"] and one["text"] in texts[one["context_idx"]]


def test_terminal_shows_scores_costs_mistakes_prompt_and_answer(explained):
    said, told = shown(explained, FEATURE, "--explanation"), story(explained, FEATURE)
    explanation, usage = told["explanation"], told["explanation"]["usage"]
    assert f"tiny/sae-l0  feature {FEATURE}: explanation" in said
    assert f"by judge-2024, {explanation['created_at'][:10]}" in said
    assert f"explainer openai (prompt {explanation['prompt_hash']})" in said
    assert "consistency 5 of 5, complexity 3 of 5" in said
    n = usage["requests"]
    assert f"{n} requests, {100 * n:,} tokens of prompts and {10 * n} of answers, $0.000" in said
    (row,) = [line.split() for line in said.splitlines() if line.startswith(" detection ") and "said" not in line]
    counts = explanation["scores"][0]["counts"]
    cells = [str(counts[name]) for name in ("true_positive", "false_positive", "true_negative", "false_negative")]
    assert row == ["detection", "0.50", str(sum(counts.values())), *cells, "0.50", "0.50", "1.00", "0.67"]
    assert f"prompts: detection {explanation['scores'][0]['prompt_hash']}" in said
    assert said.count("said yes, right is no") == len(told["misjudged"])
    for line in [*explanation["prompt"].splitlines(), *explanation["answer"].splitlines()]:
        assert line.strip().replace("\t", "⇥") in said


def test_a_score_without_a_value_says_why(explained):
    simulation = story(explained, FEATURE)["explanation"]["scores"][1]
    assert simulation["value"] is None
    assert f"simulation: {simulation['reason']}" in shown(explained, FEATURE, "--explanation")


def test_no_word_of_the_scores_is_cut_on_a_narrow_terminal(explained):
    result = run_command(explained, "show", "feature", SAE_ID, str(FEATURE), "--explanation", COLUMNS="80")
    header = "score value of TP FP TN FN accuracy precision recall f1"
    assert [line for line in result.stdout.splitlines() if line.split() == header.split()]


def test_earlier_explanations_are_told_newest_first(explained):
    told = story(explained, TWICE)
    assert told["explanation"]["explainer"] == "neuronpedia"
    (earlier,) = told["history"]
    assert earlier["explainer"] == "openai" and earlier["prompt"]
    said = shown(explained, TWICE, "--explanation")
    (line,) = [line for line in said.splitlines() if line.lstrip().startswith(earlier["created_at"][:10])]
    assert "judge-2024" in line and "detection 0.50" in line and earlier["text"] in line


def test_what_a_person_wrote_is_told_as_such(explained):
    assert "written by hand" in shown(explained, BY_HAND, "--explanation")
    assert story(explained, BY_HAND)["explanation"]["is_by_hand"]


@pytest.mark.parametrize("words", [["--explanation"], []])
def test_a_feature_that_could_not_be_explained_says_why(explained, words):
    said = shown(explained, FAILED, *words)
    assert "not explained yet" in said
    assert "could not be explained: There is no explanation, as the answer does not have the form asked for." in said
    assert story(explained, FAILED)["failure"]["kind"] == "answer"


def test_answer_that_could_not_be_read_is_shown_without_its_control_characters(explained):
    assert story(explained, FAILED)["failure"]["answer"] == "\x1b[31mI would rather not."
    assert "I would rather not." in shown(explained, FAILED, "--explanation")


def test_a_feature_that_nobody_tried_to_explain_is_not_explained_yet(explained):
    told = story(explained, NEVER)
    assert (told["explanation"], told["failure"], told["misjudged"], told["history"]) == (None, None, [], [])
    said = shown(explained, NEVER, "--explanation")
    assert "not explained yet" in said and "could not" not in said
