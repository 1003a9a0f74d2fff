"""The demo's language model and text: prepared once in a run of the tests, as that takes most of a minute."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from sae_assets_tests.processes import run_command
from sae_assets_tests.project import TinyProject

MADE = "made"
"""File that says that the folder beside it is complete."""


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run of the tests: under xdist, that of all workers."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if own.name.startswith("popen-") else own


def link_demo_model(root: Path, shared: Path) -> None:
    """Lays model and text, which nobody writes to, into a folder in which the demo has not run yet.

    Args:
        shared: the folder of all tests, `shared_folder`.
    """
    prepared = shared / "demo-model"
    with FileLock(f"{prepared}.lock"):
        if not (prepared / MADE).exists():
            shutil.rmtree(prepared, ignore_errors=True)
            prepared.mkdir()
            done = run_command(TinyProject(prepared, prepared, prepared), "demo", OMP_NUM_THREADS="2")
            assert done.returncode == 0, done.stderr
            (prepared / MADE).touch()
    (root / ".demo").symlink_to(prepared / ".demo")
