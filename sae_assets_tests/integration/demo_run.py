"""The quick start in a folder, with fewer tokens than `make demo` analyses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from sae_assets_tests.demo_model import MADE, link_demo_model, shared_folder
from sae_assets_tests.integration.dagster_processes import lay_out, materialize
from sae_assets_tests.project import TinyProject

KEY = "demo/smollm2-l10"
SAE_ASSETS = Path(sys.executable).with_name("sae-assets")


def sae_assets(project: TinyProject, *arguments: str) -> str:
    """What the command prints."""
    command = [str(SAE_ASSETS), *arguments]
    environment = project.environment() | {"OMP_NUM_THREADS": str(os.cpu_count())}
    done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """A folder in which the demo has run, a copy of what the processes that run tests make once together."""
    shared = shared_folder(tmp_path_factory) / "demo-run"
    with FileLock(f"{shared}.lock"):
        if not (shared / MADE).exists():
            shutil.rmtree(shared, ignore_errors=True)
            shared.mkdir()
            link_demo_model(shared, shared.parent)
            _run_demo(shared)
            (shared / MADE).touch()
    root = tmp_path_factory.mktemp("demo") / "project"
    shutil.copytree(shared, root, symlinks=True, ignore=shutil.ignore_patterns("mongo.run"))
    with TinyProject(root, model=root, text=root).served() as project:
        yield project


def _run_demo(root: Path) -> None:
    with TinyProject(root, model=root, text=root).served() as project:
        lay_out(project)
        sae_assets(project, "demo")
        settings = root / "checkpoints" / "demo" / "analysis.toml"
        settings.write_text(settings.read_text().replace("400_000", "20_000"))
        for arguments in (["--select", "checkpoint_registry"], ["--select", "*", "--partition", KEY]):
            done = materialize(project, *arguments)
            assert done.returncode == 0, done.stderr
