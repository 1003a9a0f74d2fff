"""`sae-assets dev`: Dagster and the web UI together, each linking to the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sae_assets.cli.serve import PORT

DAGSTER_PORT = 3000
LOOK_S = 0.2
"""Seconds between two looks whether both still run."""
PATIENCE_S = 20
"""Seconds that they have to end."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(dev)


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web UI.")] = PORT,
    dagster_port: Annotated[int, typer.Option(min=1, max=65535, help="Port of Dagster.")] = DAGSTER_PORT,
) -> None:
    """Start Dagster and the web UI; Ctrl-C ends both, and where one ends, so does the other."""
    programs = Path(sys.executable).parent
    urls = {
        "SAE_ASSETS_WEB_URL": f"http://127.0.0.1:{port}",
        "SAE_ASSETS_DAGSTER_URL": f"http://127.0.0.1:{dagster_port}",
    }
    environment = urls | dict(os.environ)
    commands = (
        [str(programs / "dagster"), "dev", *_code(), "--host", "127.0.0.1", "--port", str(dagster_port)],
        [str(programs / "sae-assets"), "serve", "--port", str(port)],
    )
    # In sessions of their own: Ctrl-C reaches this process alone, which then ends each of them once.
    running = [subprocess.Popen(command, env=environment, start_new_session=True) for command in commands]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while all(process.poll() is None for process in running):
            time.sleep(LOOK_S)
    except KeyboardInterrupt:
        _end(running)
        return
    is_failure = any(process.returncode for process in running)
    _end(running)
    raise typer.Exit(int(is_failure))


def _code() -> list[str]:
    """How Dagster is told what to load, where the folder does not say it."""
    is_told = any(Path(name).exists() for name in ("workspace.yaml", "pyproject.toml"))
    return [] if is_told else ["-m", "sae_assets.definitions"]


def _end(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Asks all to end, as Ctrl-C does, and kills what does not."""
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE_S
    for process in running:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
