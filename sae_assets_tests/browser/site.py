"""A real `sae-assets serve` on a free port, started and ended as a person would."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from sae_assets_tests.processes import SAE_ASSETS
from sae_assets_tests.project import TinyProject

STARTS_WITHIN_S = 30
ENDS_WITHIN_S = 15


@dataclass(frozen=True)
class Site:
    """A web UI that is running."""

    url: str
    """Where it answers, without a slash at the end."""
    project: TinyProject
    """What it shows."""


@contextmanager
def served(project: TinyProject, *options: str, **environment: str) -> Iterator[Site]:
    """Serves the project's data until the end of the block, then ends the server by Ctrl-C, which must go well."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project.root / "serve.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(SAE_ASSETS), "serve", "--port", str(port), *options],
            cwd=project.root,
            env=project.environment() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        site = Site(f"http://127.0.0.1:{port}", project)
        _wait_for(site, process, log)
        yield site
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDS_WITHIN_S) == 0, f"the server ended badly:\n{log.read_text()[-3000:]}"
    finally:
        process.kill()
        process.wait()


def _wait_for(site: Site, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{site.url}/api/v1/saes", timeout=STARTS_WITHIN_S).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")
