"""The engine that works on an existing Ray cluster. Imported only where it is chosen: Ray is an extra."""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sae_assets.engine.dispatch import dispatched
from sae_assets.engine.messages import Computed, Died, Message
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.ray_worker import RayWorker
from sae_assets.engine.tally import Tally
from sae_assets.engine.work import Done, Item, Result, Task, Work
from sae_assets.settings.errors import UserError

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ModuleNotFoundError as error:
    raise UserError("The engine \"ray\" needs Ray, which is not installed: pip install 'sae-assets[ray]'.") from error

REACH_S = 5
"""Seconds in which the cluster must take a connection; Ray itself would try for minutes."""
LOOK_S = 5
"""Seconds without a message after which it is looked whether any node is left that a worker fits on."""


@dataclass(frozen=True)
class RayEngine:
    """Workers that are actors; one that dies is replaced as soon as there is room, and the others go on."""

    address: str = "auto"
    """The cluster, as host:port, or "auto"."""
    n_workers: int | None = None
    """How many, at most one a task; as many as there is room for where not set."""
    num_cpus: float = 1
    """CPU cores that each takes."""
    num_gpus: float = 0
    """GPUs that each takes."""

    def map(
        self, work: Work[Item, Result], tasks: Sequence[Task[Item]], what: str, unit: str, progress: Progress = silent
    ) -> Iterator[Done[Item, Result]]:
        """See `Engine.map`. Of the progress only the tasks that are done count."""
        if not tasks:
            return
        with _connected(self.address):
            n_workers = min(self.n_workers or self.room(), len(tasks))
            yield from dispatched(
                _Actors(self, pickle.dumps(work), n_workers), tasks, Tally(tasks, what, unit, progress)
            )

    def room(self) -> int:
        """How many workers all nodes have room for, with nothing else on them; more than that wait for room.

        Raises:
            UserError: not even one.
        """
        n_workers = sum(self._room_on(node["Resources"]) for node in ray.nodes() if node["Alive"])
        if not n_workers:
            raise UserError(
                f"No node of the Ray cluster at {self.address!r} has room for a worker with num_cpus={self.num_cpus:g} "
                f"and num_gpus={self.num_gpus:g}; take less, or start a larger node."
            )
        return n_workers

    def _room_on(self, resources: dict[str, float]) -> int:
        needed = {"CPU": self.num_cpus, "GPU": self.num_gpus}
        return min((int(resources.get(name, 0) / n + 1e-9) for name, n in needed.items() if n), default=1)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """A connection to the cluster, for as long as it is needed; one that is there already is used, and stays."""
    if ray.is_initialized():
        yield
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    try:
        if address != "auto":
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=REACH_S).close()
        ray.init(address=address, namespace="sae-assets", logging_level=logging.WARNING)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"There is no usable Ray cluster at {address!r} ({reason}); start one with `ray start --head`, or set "
            "`address` to host:port."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


class _Actors:
    """The workers by their places."""

    def __init__(self, engine: RayEngine, work: bytes, n_workers: int):
        engine.room()
        self.engine, self.n_workers = engine, n_workers
        self.work = ray.put(work)
        self.device = "cuda:0" if engine.num_gpus else None  # Ray shows a worker its own GPUs only
        options = {"num_cpus": engine.num_cpus, "num_gpus": engine.num_gpus, "scheduling_strategy": "SPREAD"}
        self.actor_class = ray.remote(**options)(RayWorker)
        self.actors: dict[int, Any] = {}
        self.calls: dict[ray.ObjectRef, int] = {}
        """What actors were asked and have not answered yet, with their places."""

    def start(self, place: int) -> None:
        self.actors[place] = actor = self.actor_class.remote()
        self.calls[actor.start.remote(self.work, self.device)] = place

    def give(self, place: int, number: int, item: Any) -> None:
        self.calls[self.actors[place].compute.remote(number, pickle.dumps(item))] = place

    def messages(self) -> Iterator[tuple[int, Message]]:
        ready, _ = ray.wait(list(self.calls), timeout=LOOK_S)
        if not ready:
            self.engine.room()
        for call in ready:
            place = self.calls.pop(call)
            try:
                message = pickle.loads(ray.get(call))
            except RayTaskError:
                raise
            except RayError:
                self._forget(place)
                yield place, Died("was lost with its process or its node (out of memory?); Ray's log says more")
            else:
                if isinstance(message, Computed):
                    self.calls[self.actors[place].end.remote(message.number)] = place
                yield place, message

    def _forget(self, place: int) -> None:
        ray.kill(self.actors.pop(place))
        self.calls = {call: other for call, other in self.calls.items() if other != place}

    def close(self) -> None:
        for actor in self.actors.values():
            ray.kill(actor)
