"""`sae-assets interpret` as its user sees it: flags, a dry run, the budget's end, what failed and why."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.store.explanations import explained_features
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.processes import run_command
from sae_assets_tests.project import DEAD, SAE_ID, TinyProject

KEY = "sk-s3cret-0123456789"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """An analysed project with its server running."""
    with tiny_project.copy(tmp_path_factory.mktemp("interpret") / "project").served() as project:
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        yield project


@pytest.fixture
def llm() -> Iterator[LLMServer]:
    with LLMServer(key=KEY) as llm:
        yield llm


def settings_file(project: TinyProject, llm: LLMServer | None = None, **fields: object) -> Path:
    """What a user would write: the names, and little else."""
    path = project.root / "interpret.json"
    endpoint = {"openai_base_url": llm.base_url} if llm else {}
    names = {"sae_series": "tiny", "sae_name": "sae-l0"}
    path.write_text(json.dumps(names | {"auto_interp": endpoint} | fields), encoding="utf-8")
    return path


def explained(project: TinyProject) -> set[int]:
    with project.store() as store:
        return explained_features(store, SAE_ID, "default")


def refused(project: TinyProject, *words: str | Path) -> str:
    result = run_command(project, "interpret", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_flags_count_before_the_file(project, llm):
    file = settings_file(project, llm, features="0-9", max_workers=1)
    result = run_command(project, "interpret", file, "--features", "20, 22", "--max-workers", "2", OPENAI_API_KEY=KEY)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("tiny/sae-l0: 2 features explained for $0.00")
    assert explained(project) >= {20, 22} and not explained(project) & set(range(10))
    assert KEY not in result.stdout + result.stderr


def test_budget_of_the_command_line_ends_the_run_and_says_what_remains(project, llm):
    file = settings_file(project, llm, features="30-39")
    result = run_command(project, "interpret", file, "--max-tokens", "2500", "--max-workers", "1", OPENAI_API_KEY=KEY)
    assert result.returncode == 0, result.stderr
    n_explained = len(explained(project) & set(range(30, 40)))
    assert f"; the budget of 2,500 tokens ended: {10 - n_explained} remain, run it again to go on.\n" in result.stdout
    assert len(llm.requests) * 110 <= 2500 + 110
    result = run_command(project, "interpret", file, OPENAI_API_KEY=KEY)
    assert f", {n_explained} were there already" in result.stdout or n_explained == 0
    assert explained(project) >= set(range(30, 40))


def test_failures_are_listed_by_their_reason(project, llm):
    llm.fault_for = lambda request: content("I would rather not.") if request.ask.kind == "explaining" else None
    file = settings_file(project, llm, features=[DEAD, 10, 11, 12, 13, 14, 15])
    result = run_command(project, "interpret", file, OPENAI_API_KEY=KEY)
    assert result.returncode == 0
    sentence, _header, *rows = result.stdout.partition("What was answered")[0].splitlines()
    assert "7 could not be" in sentence
    assert [row.split(maxsplit=1)[0] for row in rows] == ["6", "1"]
    assert "10, 11, 12, 13, 14, ..." in rows[0] and "does not have the form asked for." in rows[0]
    assert f"{DEAD}" in rows[1] and rows[1].rstrip().endswith("There is no window in which the feature is active.")


def test_run_ends_with_the_mean_scores_and_where_the_report_is(project, llm):
    file = settings_file(project, llm, features=[25, 26])
    *_, means, place = run_command(project, "interpret", file, OPENAI_API_KEY=KEY).stdout.splitlines()
    report = project.data.checkpoint("tiny", "sae-l0", "default").explanation_report
    (detection, _fuzzing) = json.loads(report("json").read_text())["scorers"]
    assert f" detection {detection['mean']['value']:.3f}" in means and " fuzzing " in means
    assert place.startswith("More is in ") and place.endswith("explanation_report.md")
    assert Path(place.removeprefix("More is in ")).name == report("md").name


def test_selection_of_nothing_is_said(project, llm):
    result = run_command(
        project, "interpret", settings_file(project, llm), "--features", "density 2..", OPENAI_API_KEY=KEY
    )
    assert (result.returncode, llm.requests) == (0, [])
    assert "0 features explained, as `features` selects none." in result.stdout


def test_run_as_json_has_its_numbers_and_every_failure(project, llm):
    file = settings_file(project, llm, features=[DEAD, 24])
    result = run_command(project, "interpret", file, "--json", OPENAI_API_KEY=KEY)
    report = json.loads(result.stdout)
    assert (report["n_explained"], report["n_remaining"], report["has_budget_ended"]) == (1, 0, False)
    assert report["spent"]["requests"] == len(llm.requests) and report["spent"]["cost"] > 0
    assert [(failure["index"], failure["kind"]) for failure in report["failures"]] == [(DEAD, "examples")]


def test_dry_run_needs_no_endpoint_and_asks_nothing(project):
    before = explained(project)
    result = run_command(project, "interpret", settings_file(project), "--dry-run", "--features", "50-59")
    assert (result.returncode, result.stderr) == (0, "")
    first, *rows = result.stdout.splitlines()
    assert first == "gpt-3.5-turbo; nothing was asked."
    assert [row.split("  ")[0].strip() for row in rows] == [
        "features to explain", "requests", "prompt tokens", "answer tokens", "cost"
    ]  # fmt: skip
    assert rows[-1].split("  ")[-1].strip() == "by the table of prices" and " $0." in rows[-1]
    assert explained(project) == before


def test_dry_run_as_json_says_whether_the_budget_is_enough(project):
    file = settings_file(project, features="50-59")
    result = run_command(project, "interpret", file, "--dry-run", "--json", "--max-cost", "0.0001")
    assert result.returncode == 0, result.stderr
    estimate = json.loads(result.stdout)
    assert (estimate["n_features"], estimate["max_cost"], estimate["is_within_budget"]) == (10, 0.0001, False)
    assert estimate["cost"] > 0.0001 and estimate["n_requests"] >= 20
    told = run_command(project, "interpret", file, "--dry-run", "--max-cost", "0.0001").stdout.splitlines()[-1]
    assert told.split() == ["budget", "$0.00010", "ends", "the", "run", "before", "all", "are", "explained"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--features", "alife"],
            "sae-assets: --features: the term 'alife' is not known; the nearest is 'alive', and terms are 7, 10-99, "
            "all, alive, density 1e-5..1e-2 or sample 200.\n",
        ),
        (
            ["--features", "-5"],
            "sae-assets: --features: the term '-5' is not known; terms are 7, 10-99, all, alive, density 1e-5..1e-2 or "
            "sample 200.\n",
        ),
        (
            ["--features", "60-64"],
            "sae-assets: There is no feature 64 in 'tiny/sae-l0/default'; they go from 0 to 63.\n",
        ),
        (["--max-cost", "0"], "sae-assets: --max-cost: input should be greater than 0.\n"),
        (["--max-tokens", "-1"], "sae-assets: --max-tokens: input should be greater than or equal to 1.\n"),
        (["--max-workers", "0"], "sae-assets: --max-workers: input should be greater than or equal to 1.\n"),
        (
            [],
            "sae-assets: No endpoint is configured: set OPENAI_API_KEY, or OPENAI_BASE_URL for another "
            "OpenAI-compatible endpoint, or auto_interp.openai_base_url in the settings.\n",
        ),
    ],
)
def test_mistake_is_one_sentence(project, words, sentence):
    assert refused(project, settings_file(project), *words) == sentence
