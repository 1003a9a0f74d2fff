"""A worker process: `python -m sae_assets.engine.process_worker FD`, started by `ProcessEngine`.

It is told the work, then tasks, over the socket FD. It ends as soon as the other end of the socket is closed, so
nothing of it is left when the engine's process ends in whichever way.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from sae_assets.engine.messages import Advanced, Computed, Finished, Message, Started, told


def main(descriptor: int) -> None:
    """Does the tasks that come over a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's: it ends its workers
    os.set_inheritable(descriptor, False)
    worker = _Worker(Connection(descriptor))
    worker.start()
    while True:
        worker.do(*pickle.loads(worker.inbox.get()))


class _Worker:
    def __init__(self, connection: Connection):
        self.connection = connection
        self.inbox: SimpleQueue[bytes] = SimpleQueue()
        self.sending = threading.Lock()
        self.compute: Callable[[Any], Any] = _not_started
        threading.Thread(target=self._receive, daemon=True).start()

    def _receive(self) -> None:
        while True:
            try:
                self.inbox.put(self.connection.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)

    def tell(self, make: Callable[[], Message]) -> None:
        message = told(make)
        with self.sending:
            self.connection.send_bytes(message)

    def start(self) -> None:
        device, work = self.inbox.get().decode(), self.inbox.get()

        def started() -> Started:
            self.compute = pickle.loads(work).start(
                device or None, lambda n_units: self.tell(lambda: Advanced(n_units))
            )
            return Started()

        self.tell(started)

    def do(self, number: int, item: bytes) -> None:
        futures: list[Future[Any]] = []

        def computed() -> Message:
            result = self.compute(pickle.loads(item))
            if not isinstance(result, Future):
                return Finished(number, result)
            futures.append(result)
            return Computed(number)

        self.tell(computed)
        for future in futures:
            future.add_done_callback(lambda ended: self.tell(lambda: Finished(number, ended.result())))


def _not_started(_item: Any) -> Any:
    raise RuntimeError("the work is not started")


if __name__ == "__main__":
    main(int(sys.argv[1]))
