"""The three ways to run, each with real processes: from CI, by the UI's materialize button, by the sensor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sae_assets.store.lookup import checkpoints
from sae_assets.store.reading import read_feature
from sae_assets_tests.integration.dagster_processes import (
    DagsterDev,
    dagster_dev,
    lay_out,
    materialize,
    materialize_and_kill,
)
from sae_assets_tests.project import D_SAE, SAE_ID, TinyProject, write_sae

pytestmark = pytest.mark.slow

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
METADATA = """
query Metadata($path: [String!]!, $partitions: [String!]) {
  assetOrError(assetKey: {path: $path}) {
    ... on Asset {
      assetMaterializations(partitions: $partitions, limit: 1) { metadataEntries { label __typename } }
    }
  }
}
"""


@pytest.fixture
def project(fresh_project: TinyProject) -> TinyProject:
    lay_out(fresh_project)
    return fresh_project


def test_from_ci_by_two_commands(project):
    registered = materialize(project, "--select", "checkpoint_registry")
    assert registered.returncode == 0, registered.stderr
    analysed = materialize(project, "--select", "*", "--partition", SAE_ID)
    assert analysed.returncode == 0, analysed.stderr
    with project.store() as store:
        (row,) = checkpoints(store)
        assert (row.series, row.name, row.d_sae, row.has_logits) == ("tiny", "sae-l0", D_SAE, True)
        assert read_feature(store, SAE_ID, "default", 0).logits is not None


def test_a_mistake_in_ci_is_one_sentence_and_an_exit_code(project):
    assert materialize(project, "--select", "checkpoint_registry").returncode == 0
    settings = project.checkpoint.parent / "analysis.toml"
    settings.write_text(settings.read_text().replace("context_size", "context_sise"))
    failed = materialize(project, "--select", "tokenized_contexts", "--partition", SAE_ID)
    assert failed.returncode == 1
    assert f"{settings}, line 7: unknown key 'context_sise'" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (project.root / "data" / "sources").exists()


@pytest.mark.parametrize("step", ["activation_chunks", "feature_summaries", "feature_documents"])
def test_a_killed_run_holds_nothing_up(project, step):
    assert materialize(project, "--select", "checkpoint_registry").returncode == 0
    materialize_and_kill(project, f"{step} - STEP_START", "--select", "*", "--partition", SAE_ID)
    again = materialize(project, "--select", "*", "--partition", SAE_ID)
    assert again.returncode == 0, again.stderr
    assert not list((project.root / "data").rglob("*.tmp"))
    with project.store() as store:
        assert [row.n_alive is not None for row in checkpoints(store)] == [True]


@pytest.fixture(scope="module")
def shared_project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    with tiny_project.copy(tmp_path_factory.mktemp("dagster-dev") / "project").served() as project:
        lay_out(project)
        assert materialize(project, "--select", "checkpoint_registry").returncode == 0
        yield project


@pytest.fixture(scope="module")
def dev(shared_project: TinyProject) -> Iterator[DagsterDev]:
    with dagster_dev(shared_project) as dev:
        yield dev


def finished_run(dev: DagsterDev, key: str) -> str | None:
    """The status of the run of a partition, once it has ended."""
    for run in dev.query(RUNS)["runsOrError"]["results"]:
        tags = {tag["key"]: tag["value"] for tag in run["tags"]}
        if tags.get("dagster/partition") == key and run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
            return run["status"]
    return None


def launch(dev: DagsterDev, analyzer: dict[str, int]) -> dict[str, Any]:
    """What the Launchpad does when its button is pressed."""
    config = {"resources": {"settings": {"config": {"analyzer": analyzer}}}}
    params = {
        "selector": {
            "repositoryLocationName": "sae_assets.definitions",
            "repositoryName": "__repository__",
            "pipelineName": "analyze_checkpoint",
        },
        "mode": "default",
        "runConfigData": json.dumps(config),
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": SAE_ID}]},
    }
    return dev.query(LAUNCH, params=params)["launchRun"]


def test_the_materialize_button_runs_a_partition(dev, shared_project):
    launched = launch(dev, {"total_analyzing_tokens": 2000})
    assert launched["__typename"] == "LaunchRunSuccess", launched
    assert dev.wait_for("finished run", lambda: finished_run(dev, SAE_ID), 180) == "SUCCESS"
    with shared_project.store() as store:
        assert checkpoints(store)[0].n_analyzed_tokens == 2000
    asset = dev.query(METADATA, path=["feature_summaries"], partitions=[SAE_ID])["assetOrError"]
    entries = {entry["label"]: entry["__typename"] for entry in asset["assetMaterializations"][0]["metadataEntries"]}
    assert entries["density"] == "MarkdownMetadataEntry" and entries["examples"] == "TableMetadataEntry"


def test_a_wrong_run_config_is_refused_at_launch(dev):
    launched = launch(dev, {"total_analysing_tokens": 2000})
    assert launched["__typename"] == "RunConfigValidationInvalid"
    assert "total_analysing_tokens" in launched["errors"][0]["message"]


def test_the_sensor_analyses_a_checkpoint_that_arrives(dev, shared_project):
    write_sae(shared_project.checkpoints / "tiny" / "arrived", seed=5)
    assert dev.wait_for("run of the new checkpoint", lambda: finished_run(dev, "tiny/arrived"), 300) == "SUCCESS"
    with shared_project.store() as store:
        assert "arrived" in {row.name for row in checkpoints(store) if row.n_alive}
