"""Keys of endpoints are sent to these, and are in nothing that a run prints, logs or stores."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sae_assets_tests.integration.dagster_processes import MATERIALIZE, lay_out
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.processes import run_command, run_process
from sae_assets_tests.project import NAME, SAE_ID, SERIES, TinyProject

pytestmark = pytest.mark.slow

KEY, EMBEDDING_KEY = "sk-proj-s3cret-0123456789", "sk-embed-s3cret-9876543210"
FEATURES = [1, 4, 9]


def test_no_key_is_in_any_output_of_dagster_or_the_command_line(fresh_project, tmp_path):
    lay_out(fresh_project)
    with BatchServer(key=KEY) as llm, EmbeddingServer(key=EMBEDDING_KEY) as embeddings:
        outputs = list(everything_that_runs(fresh_project, llm, embeddings, tmp_path))
        assert len(llm.requests) > 5 and len(embeddings.requests) >= 1 and len(llm.batches) >= 1
    printed = "\n".join(output.stdout + output.stderr for output in outputs)
    assert "the word" in printed and "refused the API key" in printed
    for key in (KEY, EMBEDDING_KEY):
        assert key not in printed
        assert not [path for path in files(fresh_project) if key.encode() in path.read_bytes()]
        assert not [name for name, documents in stored(fresh_project).items() if key in documents]


def everything_that_runs(
    project: TinyProject, llm: BatchServer, embeddings: EmbeddingServer, secret: Path
) -> Iterator[subprocess.CompletedProcess[str]]:
    """Runs that take the key from the environment and from the settings, that work and that do not."""
    environment = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": llm.base_url,
        "SAE_ASSETS_EMBEDDING_API_KEY": EMBEDDING_KEY,
        "SAE_ASSETS_EMBEDDING_BASE_URL": embeddings.base_url,
        "SAE_ASSETS_EMBEDDING_MODEL": "embedder",
    }

    settings = project.checkpoint.parent / "analysis.toml"
    explained = '[auto_interp]\nscorer_type = ["detection", "embedding"]\n'
    settings.write_text(f"features = {FEATURES}\n{settings.read_text()}{explained}")
    for words in (["--select", "checkpoint_registry"], ["--select", "*", "--partition", SAE_ID]):
        done = run_process(project, *MATERIALIZE, *words, **environment)
        assert done.returncode == 0, done.stderr
        yield done

    by_batch = settings_file(secret / "batch.toml", 'mode = "batch"', f'openai_api_key = "{KEY}"')
    for words in (
        ["interpret", by_batch, "--dry-run"],
        ["interpret", by_batch],
        ["show", "feature", NAME, "4", "--explanation"],
    ):
        done = run_command(project, *words, **environment)
        assert done.returncode == 0, done.stderr
        yield done

    llm.key = "another"
    for mode in ("direct", "batch"):
        refused = settings_file(secret / "refused.toml", f'mode = "{mode}"', "use_cache = false")
        done = run_command(project, "interpret", refused, **environment)
        assert done.returncode == 2, done.stderr
        yield done


def settings_file(path: Path, *lines: str) -> Path:
    """Settings that explain again; they lie outside the project, as they may hold a key."""
    head = [f'sae_series = "{SERIES}"', f'sae_name = "{NAME}"', f"features = {FEATURES}", "[auto_interp]"]
    path.write_text("\n".join([*head, "overwrite_existing = true", 'explainer_type = "delphi"', *lines]))
    return path


def files(project: TinyProject) -> list[Path]:
    """Everything on disk but the checkpoints: data, the cache of answers, batches, Dagster's storage and logs."""
    found = [path for path in project.root.rglob("*") if path.is_file() and project.checkpoints not in path.parents]
    names = {path.name for path in found}
    assert {"answers.sqlite", "batches.sqlite", "explanation_report.json", "runs.db"} <= names
    return found


def stored(project: TinyProject) -> dict[str, str]:
    """The documents of each collection, as text."""
    with project.store() as store:
        names = store.database.list_collection_names()
        found = {name: json.dumps(list(store[name].find({})), default=str) for name in names}
    assert len(found["explanation_versions"]) > 1000
    return found
