"""Where chunks are made and summarised changes no bit of the result, and neither does a kill at any moment."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sae_assets import AnalyzeSAESettings, FeatureSummaries, analyze_sae
from sae_assets.analysis.summary_file import read_summaries
from sae_assets.engine.progress import silent
from sae_assets_tests.engine.conftest import NODE  # noqa: F401: a fixture
from sae_assets_tests.project import HOOK_POINT, TinyProject
from sae_assets_tests.runners.published import assert_same

PROCESSES = {"type": "processes", "n_workers": 2}
BYTES_OF_A_CONTEXT = 64 * 32 * 4


@pytest.fixture
def many_small_parts(monkeypatch):
    """Chunks of four contexts, and a shard for each."""
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 4 * BYTES_OF_A_CONTEXT)
    monkeypatch.setattr("sae_assets.analysis.summary_work.STATE_BYTES_A_FEATURE", 1)


def settings_in(project: TinyProject, root: Path, **engine) -> AnalyzeSAESettings:
    """The project's analysis with its results in a folder of their own."""
    passes = {"model_batch_size": 2}
    return project.analyze_settings(output_dir=str(root / "results"), engine=engine, activation_factory=passes)


def analyze_in(project: TinyProject, root: Path, **engine) -> FeatureSummaries:
    """An analysis all of whose data is in a folder of its own."""
    own = TinyProject(root, project.model, project.text)
    return analyze_sae(settings_in(project, root, **engine), data=own.data, progress=silent)


def chunk_files(root: Path, hook_point: str = HOOK_POINT) -> dict[str, bytes]:
    (source,) = (root / "data" / "sources").iterdir()
    return {path.name: path.read_bytes() for path in sorted((source / "chunks" / hook_point).glob("*.parquet"))}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, tiny_project) -> FeatureSummaries:
    """The result with one chunk and no worker."""
    return analyze_in(tiny_project, tmp_path_factory.mktemp("undisturbed"))


def test_no_engine_and_no_division_into_chunks_changes_a_bit(
    tmp_path,
    tiny_project,
    undisturbed,
    many_small_parts,
    ray_cluster,
):
    engines = {
        "inline": {},
        "one process": {"type": "processes", "n_workers": 1},
        "two processes": PROCESSES,
        "ray": {"type": "ray", "address": ray_cluster.address},
    }
    for name, engine in engines.items():
        assert_same(undisturbed, analyze_in(tiny_project, tmp_path / name, **engine))
    chunks = chunk_files(tmp_path / "inline")
    assert len(chunks) > 10
    for name in engines:
        assert chunk_files(tmp_path / name) == chunks


SCRIPT = """
import sys

import sae_assets.activations.chunks
import sae_assets.analysis.summary_work
from sae_assets import AnalyzeSAESettings, analyze_sae
from sae_assets.disk.layout import DataFolder
from upath import UPath

sae_assets.activations.chunks.CHUNK_BYTES = {chunk_bytes}
sae_assets.analysis.summary_work.STATE_BYTES_A_FEATURE = 1
with open("settings.json") as file:
    analyze_sae(AnalyzeSAESettings.model_validate_json(file.read()), data=DataFolder(UPath("data").absolute()))
"""

COMMAND = [sys.executable, "script.py"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", [{}, PROCESSES], ids=["inline", "processes"])
def test_kills_at_random_moments_change_no_bit(tmp_path, tiny_project, undisturbed, engine):
    (tmp_path / "settings.json").write_text(settings_in(tiny_project, tmp_path, **engine).model_dump_json())
    (tmp_path / "script.py").write_text(SCRIPT.format(chunk_bytes=2 * BYTES_OF_A_CONTEXT))
    rng = random.Random(len(engine))
    for n_chunks in sorted(rng.sample(range(1, 36), 4)):
        with killed(tmp_path):
            wait_until(lambda n=n_chunks: len(list(tmp_path.glob("data/sources/*/chunks/*/*.parquet"))) >= n)
        assert len(list(tmp_path.glob("data/sources/*/chunks/*/*.parquet"))) < 40
    for seconds in (rng.uniform(2, 6) for _ in range(4)):
        with killed(tmp_path):
            time.sleep(seconds)
    subprocess.run(COMMAND, cwd=tmp_path, check=True, timeout=120)
    assert_same(undisturbed, read_summaries_in(tmp_path))


@contextmanager
def killed(folder: Path) -> Iterator[None]:
    """The script runs meanwhile, and is killed at the end."""
    process = subprocess.Popen(COMMAND, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True)
    yield
    process.kill()
    process.wait()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def read_summaries_in(root: Path) -> FeatureSummaries:
    from upath import UPath

    return read_summaries(UPath(root / "results" / "summaries.parquet")).summaries


@pytest.mark.slow
def test_demo_on_a_cluster_that_loses_a_node_equals_the_demo_in_one_process(demo, tmp_path, monkeypatch, ray_cluster):
    from sae_assets.demo.settings import CHECKPOINT, HOOK_POINT, NAME, SERIES
    from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings

    monkeypatch.chdir(demo.root)
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 16 * 128 * 576 * 2)
    monkeypatch.setattr("sae_assets.analysis.summary_work.STATE_BYTES_A_FEATURE", 1)
    series = demo.root / "checkpoints" / SERIES / NAME
    found = checkpoint_settings(series, {}, CheckpointFacts(hook_point=HOOK_POINT), demo.root)
    doomed = ray_cluster.add_node(**NODE)
    ray_cluster.wait_for_nodes()

    def lose_the_node(step) -> None:
        if step.what == "activations" and step.done > step.total / 4 and doomed in ray_cluster.worker_nodes:
            ray_cluster.remove_node(doomed, allow_graceful=False)

    results = {}
    for name, engine, progress in (
        ("inline", {}, silent),
        ("ray", {"type": "ray", "address": ray_cluster.address}, lose_the_node),
    ):
        own = TinyProject(tmp_path / name, demo.root, demo.root)
        settings = found.for_analysis(CHECKPOINT, SERIES, NAME).model_dump()
        settings |= {"output_dir": str(own.root / "results"), "engine": engine}
        results[name] = analyze_sae(AnalyzeSAESettings.model_validate(settings), data=own.data, progress=progress)
    assert doomed not in ray_cluster.worker_nodes
    assert_same(results["inline"], results["ray"])
    assert chunk_files(tmp_path / "inline", HOOK_POINT) == chunk_files(tmp_path / "ray", HOOK_POINT)
