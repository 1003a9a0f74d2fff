"""Real Dagster processes: the command line, and `dagster dev` spoken to over its GraphQL API."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from requests.exceptions import RequestException

from sae_assets_tests.project import TinyProject

REPOSITORY = Path(__file__).parents[2]
DAGSTER = Path(sys.executable).with_name("dagster")
STARTS_WITHIN_S = 90

T = TypeVar("T")


def lay_out(project: TinyProject) -> None:
    """Puts the repository's `dagster.yaml` into the project's folder, where its processes work."""
    shutil.copyfile(REPOSITORY / "dagster.yaml", project.root / "dagster.yaml")


MATERIALIZE = [str(DAGSTER), "asset", "materialize", "-m", "sae_assets.definitions"]
ENDS_WITHIN_S = 300


def materialize(project: TinyProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`dagster asset materialize -m sae_assets.definitions ...` in the project's folder."""
    return subprocess.run(
        [*MATERIALIZE, *arguments],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=ENDS_WITHIN_S,
    )


def materialize_and_kill(project: TinyProject, told: str, *arguments: str) -> None:
    """The same, killed without warning as soon as it tells these words."""
    process = subprocess.Popen(
        [*MATERIALIZE, *arguments],
        cwd=project.root,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any(told in line for line in process.stderr), f"it never told {told!r}"
    process.kill()
    process.wait()


class DagsterDev:
    """A running `dagster dev`."""

    def __init__(self, port: int, log: Path):
        self.client = DagsterGraphQLClient("127.0.0.1", port_number=port)
        self.log = log

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """The answer to a GraphQL query."""
        return self.client._execute(text, variables)

    def wait_for(self, what: str, found: Callable[[], T | None], seconds: float) -> T:
        """What `found` gives as soon as it gives anything."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if (result := found()) is not None:
                    return result
            except (DagsterGraphQLClientError, RequestException):
                pass
            time.sleep(0.5)
        raise AssertionError(f"no {what} within {seconds} s; the log ends:\n{self.log.read_text()[-3000:]}")


@contextmanager
def dagster_dev(project: TinyProject) -> Iterator[DagsterDev]:
    """Starts `dagster dev` in the project's folder and stops it as Ctrl-C does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project.root / "dagster-dev.log"
    command = [str(DAGSTER), "dev", "-m", "sae_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=project.root,
            env=project.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        dev = DagsterDev(port, log)
        dev.wait_for("web server", lambda: dev.query("{ version }"), STARTS_WITHIN_S)
        yield dev
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
