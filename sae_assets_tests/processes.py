"""Running the command line and scripts as the processes that a user would start."""

import subprocess
import sys
from pathlib import Path

from sae_assets_tests.project import TinyProject

SAE_ASSETS = Path(sys.executable).with_name("sae-assets")
"""The installed command, beside the interpreter that runs the tests."""


def run_command(project: TinyProject, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`sae-assets` with these words, in the project's folder."""
    return run_process(project, SAE_ASSETS, *words, **environment)


def run_process(project: TinyProject, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program in the project's folder and environment, to its end."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=project.root,
        env=project.environment() | environment,
        capture_output=True,
        text=True,
        timeout=300,
        start_new_session=True,  # without the terminal of the tests there is no progress bar on it
    )
