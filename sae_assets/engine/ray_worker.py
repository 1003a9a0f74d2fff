"""A worker on a Ray cluster: the class of the actors that `RayEngine` starts. It knows nothing of Ray."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sae_assets.engine.messages import Computed, Finished, Message, Started, told


class RayWorker:
    """Computes in one thread, so that the futures of the tasks before end meanwhile.

    It answers with pickled messages, as a worker process does: of what Ray pickles by itself, arrays are read-only.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.compute_item: Callable[[Any], Any]
        self.endings: dict[int, Future[Any]] = {}

    async def start(self, work: bytes, device: str | None) -> bytes:
        """Loads the work."""

        def started() -> Started:
            self.compute_item = pickle.loads(work).start(device, _unheard)
            return Started()

        return await self._in_thread(started)

    async def compute(self, number: int, item: bytes) -> bytes:
        """Does a task, up to its future where it has one."""

        def computed() -> Message:
            result = self.compute_item(pickle.loads(item))
            if not isinstance(result, Future):
                return Finished(number, result)
            self.endings[number] = result
            return Computed(number)

        return await self._in_thread(computed)

    async def end(self, number: int) -> bytes:
        """Waits for the future of a task that is computed."""
        future = self.endings.pop(number)
        return await asyncio.to_thread(told, lambda: Finished(number, future.result()))

    async def _in_thread(self, make: Callable[[], Message]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(self.thread, told, make)


def _unheard(_n_units: int) -> None:
    """A running task's progress: Ray has no cheap way to tell it."""
