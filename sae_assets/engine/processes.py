"""The engine that works in processes of this machine, one for each device."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from sae_assets.engine.dispatch import dispatched
from sae_assets.engine.messages import Died, Message
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.tally import Tally
from sae_assets.engine.work import Done, Item, Result, Task, Work

WITHOUT_DEVICES = 2
"""Workers where neither their number nor their devices are set."""
LAST_WORDS_S = 5
"""Seconds that a worker has to end after its socket has closed, before it is killed."""


@dataclass(frozen=True)
class ProcessEngine:
    """Workers on this machine; one that dies is replaced."""

    n_workers: int | None = None
    """How many, at most one a task; one for each device, or 2 without devices, where not set."""
    devices: tuple[str, ...] = ()
    """Where they compute, in turn; empty: where the work's own settings say."""

    def map(
        self, work: Work[Item, Result], tasks: Sequence[Task[Item]], what: str, unit: str, progress: Progress = silent
    ) -> Iterator[Done[Item, Result]]:
        """See `Engine.map`."""
        if not tasks:
            return
        n_workers = min(self.n_workers or len(self.devices) or WITHOUT_DEVICES, len(tasks))
        pool = WorkerProcesses(pickle.dumps(work), n_workers, self.devices)
        yield from dispatched(pool, tasks, Tally(tasks, what, unit, progress))


class _Worker(NamedTuple):
    process: subprocess.Popen[bytes]
    connection: Connection


class WorkerProcesses:
    """Workers that do one kind of work, by their places; they end when this process does, however it ends."""

    def __init__(self, work: bytes, n_workers: int, devices: Sequence[str]):
        """None yet. `work` is a pickled `Work`; with no devices, each worker takes the work's own."""
        self.work, self.n_workers, self.devices = work, n_workers, devices
        self.workers: dict[int, _Worker] = {}

    def start(self, place: int) -> None:
        """A new process. Not by `multiprocessing`, which would run the user's script in it once more."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sae_assets.engine.process_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # what a worker prints must not mix with the results that a command prints
                env=self._environment(),
            )
        self.workers[place] = _Worker(process, Connection(ours.detach()))
        device = self.devices[place % len(self.devices)] if self.devices else ""
        self._send(place, device.encode())
        self._send(place, self.work)

    def _environment(self) -> dict[str, str]:
        # Its own imports find what this process finds, and all workers together have as many threads as cores.
        threads = str(max(1, _n_cores() // self.n_workers))
        return {"OMP_NUM_THREADS": threads} | os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def give(self, place: int, number: int, item: Any) -> None:
        """Has a worker do an item, which its messages call by this number."""
        self._send(place, pickle.dumps((number, pickle.dumps(item))))

    def _send(self, place: int, message: bytes) -> None:
        with suppress(OSError):  # a dead worker; `messages` tells of it
            self.workers[place].connection.send_bytes(message)

    def messages(self) -> Iterator[tuple[int, Message]]:
        """Waits until some workers say something; gives what they say, with their places."""
        places = {worker.connection: place for place, worker in self.workers.items()}
        for connection in wait(list(places)):
            assert isinstance(connection, Connection)
            place = places[connection]
            try:
                message = connection.recv_bytes()
            except (EOFError, OSError):
                yield place, Died(_how(_ended(self.workers.pop(place))))
            else:
                yield place, pickle.loads(message)

    def close(self) -> None:
        """Ends all workers, whatever they do."""
        for worker in self.workers.values():
            worker.process.kill()
        while self.workers:
            _ended(self.workers.popitem()[1])


def _ended(worker: _Worker) -> int:
    """The exit code of a worker that is ending."""
    try:
        return worker.process.wait(LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        return worker.process.wait()
    finally:
        worker.connection.close()


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with exit code {exit_code}, see what it printed above"
    name = signal.Signals(-exit_code).name
    if name == "SIGKILL":
        return "was killed by SIGKILL (out of memory?); use fewer workers (`n_workers`)"
    return f"was killed by {name}"


def _n_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
