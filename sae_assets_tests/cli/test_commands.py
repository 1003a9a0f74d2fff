"""The command line as its user sees it: output, exit codes, and one sentence for every mistake."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sae_assets.settings import AnalyzeSAESettings, Settings
from sae_assets.settings.example import example_toml
from sae_assets.store.documents import SAEDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_feature
from sae_assets.store.server import server_status
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.processes import SAE_ASSETS, run_command
from sae_assets_tests.project import D_SAE, DEAD, HOOK_POINT, N_TOKENS, SAE_ID, TinyProject
from sae_assets_tests.runners.published import document_counts

KEY = "sk-s3cret-0123456789"
FEATURE = 7


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """A project with its server running."""
    with tiny_project.copy(tmp_path_factory.mktemp("commands") / "project").served() as project:
        yield project


@pytest.fixture(scope="module")
def analysed(project: TinyProject) -> TinyProject:
    """The project after the three runs, each from its settings file."""
    written(project, "analyze.json", project.analyze_settings())
    written(project, "dla.json", project.logits_settings(model=None))
    result = run_command(project, "analyze", "analyze.json")
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        f"tiny/sae-l0: 63 of 64 features are alive on {N_TOKENS:,} tokens, L0 8.0; its format is lm-saes.\n"
    )
    result = run_command(project, "dla", "dla.json")
    assert (result.returncode, result.stdout) == (0, "tiny/sae-l0: logits of 64 features (norm).\n")
    with LLMServer(key=KEY) as llm:
        written(project, "interpret.json", project.interpret_settings(llm.base_url, features=[FEATURE]))
        result = run_command(project, "interpret", "interpret.json", OPENAI_API_KEY=KEY)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("tiny/sae-l0: 1 feature explained for $0.00")
    return project


def written(project: TinyProject, name: str, settings: Settings) -> Path:
    """A settings file as JSON, with what is set and nothing that a user would leave out."""
    path = (project.root / name).with_suffix(".json")
    values = settings.model_dump(mode="json", exclude_none=True)
    values.get("auto_interp", {}).pop("openai_api_key", None)
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")
    return path


def refused(project: TinyProject, *words: str | Path, code: int = 2, **environment: str) -> str:
    """What a command that must fail says on standard error: no traceback, and no result."""
    result = run_command(project, *words, **environment)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return result.stderr


def shown(project: TinyProject, *words: str) -> dict[str, Any]:
    result = run_command(project, "show", "feature", *words, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_runs_leave_their_results_in_the_store(analysed):
    with analysed.store() as store:
        found = find_analysis(store, SAE_ID)
        feature = read_feature(store, SAE_ID, "default", FEATURE)
        assert document_counts(store)["explanations"] == 1
    assert found.analysis.n_analyzed_tokens == N_TOKENS
    assert feature.logits is not None and feature.explanation is not None


def test_list_names_every_checkpoint(analysed):
    (row,) = json.loads(run_command(analysed, "list", "--json").stdout)
    assert (row["name"], row["series"], row["d_sae"], row["n_explained"]) == ("sae-l0", "tiny", D_SAE, 1)
    assert (row["hook_point"], row["n_analyzed_tokens"], row["has_logits"]) == (HOOK_POINT, N_TOKENS, True)
    table = run_command(analysed, "list")
    assert table.returncode == 0
    assert "tiny/sae-l0" in table.stdout and "5,000" in table.stdout and HOOK_POINT in table.stdout


def test_feature_as_json_is_what_the_store_holds(analysed):
    feature = shown(analysed, "sae-l0", str(FEATURE), "-n", "2")
    with analysed.store() as store:
        stored = read_feature(store, SAE_ID, "default", FEATURE)
    assert (feature["name"], feature["series"], feature["analysis"], feature["index"]) == (
        "sae-l0", "tiny", "default", FEATURE,
    )  # fmt: skip
    assert feature["statistics"]["act_times"] == stored.statistics.act_times
    assert feature["explanation"]["text"].startswith("the word ")
    assert len(feature["logits"]["top"]) == 10
    assert list(feature["samples"]) == ["top_activations", "middle", "non_activating"]
    for name, samples in feature["samples"].items():
        assert len(samples) == min(2, len(stored.samples[name]))
        for sample, kept in zip(samples, stored.samples[name], strict=False):
            assert "".join(token["text"] for token in sample["tokens"]) == sample["text"]
            assert sample["text"] in kept.context.text and sample["text"]
            assert max(token["activation"] for token in sample["tokens"]) == sample["peak"]
    assert feature["samples"]["top_activations"][0]["peak"] == pytest.approx(stored.statistics.max_act)


def test_feature_is_found_by_all_its_names(analysed):
    one = shown(analysed, "sae-l0", "3", "-n", "1")
    assert shown(analysed, "tiny/sae-l0", "3", "-n", "1") == one
    assert shown(analysed, "sae-l0", "3", "-n", "1", "--series", "tiny", "--analysis", "default") == one


def test_feature_on_the_terminal_shows_text_tokens_and_explanation(analysed):
    result = run_command(analysed, "show", "feature", "sae-l0", str(FEATURE), "-n", "3", COLUMNS="2000")
    assert (result.returncode, result.stderr) == (0, "")
    with analysed.store() as store:
        stored = read_feature(store, SAE_ID, "default", FEATURE)
    assert stored.explanation is not None and stored.logits is not None
    assert f"tiny/sae-l0  feature {FEATURE}" in result.stdout
    assert stored.explanation.text in result.stdout
    assert f"active on {stored.statistics.act_times:,} of 5,000 tokens" in result.stdout
    assert "promotes" in result.stdout and "suppresses" in result.stdout
    for sample in stored.samples["top_activations"][:3]:
        context, peak = sample.context, int(sample.positions[sample.values.argmax()])
        around = context.text[context.starts[max(peak - 5, 0)] : context.stops[min(peak + 5, 63)]]
        assert around.replace("\n", "⏎").strip() in result.stdout
        assert f"{sample.peak:.2f}" in result.stdout
    assert "\x1b" not in result.stdout


def test_dead_feature_says_so(analysed):
    result = run_command(analysed, "show", "feature", "sae-l0", str(DEAD))
    assert result.returncode == 0
    assert "dead: active on none of 5,000 tokens" in result.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sae-10", "3"], "sae-assets: Unknown SAE 'sae-10'; the nearest is 'sae-l0'.\n"),
        (["sae-l0", "64"], "sae-assets: There is no feature 64 in 'tiny/sae-l0/default'; they go from 0 to 63.\n"),
        (
            ["sae-l0", "3", "--analysis", "defualt"],
            "sae-assets: Unknown analysis 'defualt' in SAE 'tiny/sae-l0'; the nearest is 'default'.\n",
        ),
        (
            ["sae-l0", "3", "--series", "tinny"],
            "sae-assets: Unknown SAE 'tinny/sae-l0'; the nearest is 'tiny/sae-l0'.\n",
        ),
    ],
)
def test_unknown_name_names_the_nearest(analysed, words, sentence):
    assert refused(analysed, "show", "feature", *words) == sentence


def test_name_in_two_series_asks_for_the_series(analysed):
    with analysed.store() as store:
        sae = find_analysis(store, SAE_ID).sae
        other = SAEDocument.of(sae.to_mongo() | {"_id": "other/sae-l0", "series": "other"})
        store["saes"].insert_one(other.to_mongo())
        try:
            sentence = refused(analysed, "show", "feature", "sae-l0", "3")
        finally:
            store["saes"].delete_one({"_id": other.id})
    assert sentence == "sae-assets: The SAE 'sae-l0' is in the series 'other' and 'tiny'; give --series.\n"


@pytest.mark.parametrize(
    "words",
    [["show", "feature", "sae-l0", "three"], ["show", "feature", "sae-l0"], ["analyse", "x.toml"], ["list", "--jsn"]],
)
def test_words_that_are_no_command_exit_with_2(project, words):
    assert refused(project, *words)


@pytest.mark.parametrize("kind", ["analyze", "dla", "interpret", "analysis"])
def test_example_checks_clean_and_schema_names_its_fields(project, kind):
    example = run_command(project, "config", "example", kind)
    path = project.root / f"example-{kind}.toml"
    path.write_text(example.stdout, encoding="utf-8")
    checked = run_command(project, "config", "check", path, kind)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"is a valid settings file of `{kind}`" in checked.stdout
    schema = json.loads(run_command(project, "config", "schema", kind).stdout)
    assert all(field["description"] for field in schema["properties"].values())
    assert all(f"{name} = " in example.stdout or f"{name}]" in example.stdout or f"{name}." in example.stdout
               for name in schema["properties"])  # fmt: skip


EXAMPLE = example_toml(AnalyzeSAESettings)
BUDGET = "total_analyzing_tokens = 10000000"
LINE = EXAMPLE.splitlines().index(BUDGET) + 1


@pytest.mark.parametrize("command", [["analyze"], ["config", "check"]])
@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (
            "total_analysing_tokens = 10",
            f"bad.toml, line {LINE}: unknown key 'total_analysing_tokens' in [analyzer]; the nearest is "
            "'total_analyzing_tokens'.",
        ),
        ("total_analyzing_tokens = ", f"bad.toml: not valid TOML: Invalid value (at line {LINE}, column 26)."),
        (
            'total_analyzing_tokens = "many"',
            f"bad.toml, line {LINE}: 'analyzer.total_analyzing_tokens': input should be a valid integer",
        ),
        ("", "bad.toml, line "),
    ],
)
def test_bad_settings_file_is_one_sentence_with_its_line(project, command, budget, sentence):
    (project.root / "bad.toml").write_text(EXAMPLE.replace(BUDGET, budget), encoding="utf-8")
    said = refused(project, *command, "bad.toml")
    assert said.startswith(f"sae-assets: {sentence}") and said.count("\n") == 1


def test_settings_file_that_is_not_there_is_one_sentence(project):
    assert refused(project, "dla", "none.toml") == "sae-assets: The settings file 'none.toml' does not exist.\n"


def test_mistake_in_a_run_is_one_sentence(project):
    settings = project.analyze_settings(activation_factory={"hook_points": ["blocks.1.hook_resid_post"]})
    said = refused(project, "analyze", written(project, "mistake.json", settings))
    assert said.startswith("sae-assets: activation_factory.hook_points is ['blocks.1.hook_resid_post'] but the")
    settings = project.interpret_settings(None, sae_name="nobody")
    assert "Unknown SAE 'tiny/nobody'" in refused(project, "interpret", written(project, "mistake.json", settings))


def test_password_of_an_unreachable_mongo_is_not_told(project):
    uri = "mongodb://me:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=200"
    said = refused(project, "list", MONGO_URI=uri)
    assert said.startswith("sae-assets: MongoDB at 127.0.0.1:1 did not answer within")
    assert "s3cret" not in said


def test_results_that_cannot_be_written_exit_with_1(project):
    (project.root / "taken").touch()
    settings = project.analyze_settings(output_dir=str(project.root / "taken" / "results"))
    said = refused(project, "analyze", written(project, "unwritable.json", settings), code=1)
    assert said.startswith("sae-assets: ") and "taken" in said and said.count("\n") == 1


def test_interrupted_run_says_that_it_can_go_on(project):
    fifo = project.root / "endless.jsonl"
    os.mkfifo(fifo)  # a dataset whose first document never comes
    settings = written(project, "endless.json", project.analyze_settings())
    settings.write_text(settings.read_text().replace(str(project.text), str(fifo)), encoding="utf-8")
    process = subprocess.Popen(
        [SAE_ASSETS, "analyze", settings], env=project.environment(), cwd=project.root, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with process, fifo.open("w"):  # opens once the run reads it
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.endswith("sae-assets: Interrupted; what is done stays, and the same command goes on from there.\n")
    assert "Traceback" not in said


def test_bundled_server_is_told_and_stopped(tmp_path, tiny_project):
    project = tiny_project.copy(tmp_path / "project")
    assert run_command(project, "mongo", "status").stdout.startswith("It does not run;")
    assert run_command(project, "mongo", "stop").stdout == "It did not run.\n"
    empty = run_command(project, "list")
    assert (empty.returncode, empty.stderr) == (0, "")
    assert empty.stdout.startswith("The store holds no checkpoint yet;")
    status = server_status(project.data.mongo)
    assert status is not None
    assert run_command(project, "mongo", "status").stdout == f"It runs at {status.host}.\n"
    assert run_command(project, "mongo", "stop").stdout == "It is stopped.\n"
    assert server_status(project.data.mongo) is None


def test_help_of_every_command_is_there(project):
    words = run_command(project, "--help").stdout
    assert all(command in words for command in ("analyze", "dla", "interpret", "list", "show", "config", "mongo"))
