"""The process that keeps one bundled MongoDB server on a data folder, and stops it once nobody uses it any more.

It is run by its path, as `python -I -S supervisor.py BINARY FOLDER LOG GRACE`, and needs the standard library alone, so
that it starts in milliseconds. It forks: the caller's process ends when the server answers, the supervisor stays.

Two kernel locks say what is true, whatever dies in whichever way. `server.lock` is held by the supervisor and inherited
by the server, so a folder never has two. `users.lock` is held, shared, by every client; who can take it alone knows
that there is no client.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

OPTIONS = [
    *("--host", "127.0.0.1", "--port", "0", "--log-level", "WARNING"),
    *("--sync-on-commit", "--cache-size", "1G", "--log-file-max", "128MB"),
    *("--oplog-max-entries", "1000", "--oplog-retention-seconds", "60"),
]
"""Options of the server; without `--sync-on-commit` it loses what it has acknowledged when it is killed."""
START_S = 50
"""Seconds in which the server must listen; recovery after a crash reads its log."""
STOP_S = 5
"""Seconds it has to stop, before it is killed; it loses nothing by that."""
LOOK_S = 0.2
"""Seconds between two looks for users."""
PR_SET_PDEATHSIG = 1


def runtime_folder(folder: Path) -> Path:
    """The folder beside the server's own in which its locks and its address lie."""
    return folder.with_name(f"{folder.name}.run")


def try_lock(file: TextIO, operation: int) -> bool:
    """Whether the lock could be taken without waiting."""
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def supervise(binary: str, folder: Path, log: Path, grace_s: float, ready: int) -> None:
    """Starts the server, writes its address, tells `ready`, and stays until the server ends or nobody uses it."""
    run = runtime_folder(folder)
    with (run / "server.lock").open("a") as server_lock, (run / "users.lock").open("a") as users:
        if not try_lock(server_lock, fcntl.LOCK_EX):
            os.write(ready, b"!")  # another supervisor was faster
            return
        address = run / "address.json"
        address.unlink(missing_ok=True)
        server = _start(binary, folder, log, server_lock)
        try:
            port = _port(server, log)
            _write(address, {"port": port, "pid": server.pid, "started_at": time.time()})
            os.write(ready, b"!")
            os.close(ready)
            _wait_for_the_end(server, users, grace_s)
        finally:
            address.unlink(missing_ok=True)
            _stop(server)


def _start(binary: str, folder: Path, log: Path, server_lock: TextIO) -> subprocess.Popen[bytes]:
    config = runtime_folder(folder) / "server.toml"
    config.touch()  # an empty file given keeps the server from looking for settings in the home folder
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def die_with_the_supervisor() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    with log.open("wb") as output:
        return subprocess.Popen(
            [binary, "--config", str(config), "--storage-path", str(folder), *OPTIONS],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[server_lock.fileno()],
            preexec_fn=die_with_the_supervisor,
        )


def _port(server: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the server says in its log that it listens on; the log begins with the server."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)\n", log.read_text(errors="replace"))
        if found:
            return int(found[1])
        if server.poll() is not None:
            break
        time.sleep(0.02)
    sys.exit(1)


def _wait_for_the_end(server: subprocess.Popen[bytes], users: TextIO, grace_s: float) -> None:
    """Returns when the server has ended, or with `users` locked, so that a new client waits until all is over."""
    idle_since = None
    while True:
        with suppress(subprocess.TimeoutExpired):
            server.wait(LOOK_S)
            return
        if not try_lock(users, fcntl.LOCK_EX):
            idle_since = None
            continue
        idle_since = idle_since or time.monotonic()
        if time.monotonic() - idle_since >= grace_s:
            return
        fcntl.flock(users, fcntl.LOCK_UN)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _write(path: Path, value: dict[str, float]) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def main(binary: str, folder: str, log: str, grace_s: str) -> int:
    """Starts a supervisor in the background; 0 once its server or another one is there, 1 where it does not come up."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(ready, 1) else 1
    os.close(ready)
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    supervise(binary, Path(folder), Path(log), float(grace_s), tell)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
