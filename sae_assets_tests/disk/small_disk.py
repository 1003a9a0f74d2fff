"""A real disk that is soon full."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[Path]:
    """Mounts a file system of this size on a new folder; skips the test where that is not allowed."""
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here, which needs Linux and root")
    try:
        yield folder
    finally:
        # Lazily, as a test may still hold a mapping of a file.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
