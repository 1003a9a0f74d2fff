"""A child process for heavy work: started when first asked, ended when idle, started again when it died."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Generic

from sae_assets.engine.messages import Advanced, Died, Failed, Finished
from sae_assets.engine.processes import WorkerProcesses
from sae_assets.engine.work import Item, Result, Work
from sae_assets.settings.errors import UnreachableError

MOST_WAITING = 8
"""Requests at a time, the one that is worked on included; each holds a thread of the web process."""
DEATHS = 2
"""How often the process may die over a request before it is given up."""


class BusyError(UnreachableError):
    """There are more requests than the machine keeps up with; the same one may succeed later."""


class _DiedError(Exception):
    """The process died; its text says how."""


class ChildProcess(Generic[Item, Result]):
    """Does one thing after the other in a process of its own, which ends with this one, in whichever way it ends."""

    def __init__(self, work: Work[Item, Result], what: str, idle_s: float):
        """No process yet.

        Args:
            work: what is to be done with each item; starting it must not fail.
            what: what the process does, for sentences: "reads texts".
            idle_s: seconds without a request after which the process ends.
        """
        self.what, self.idle_s = what, idle_s
        # The pool of an engine with one worker, whose tasks come one by one.
        self._pool = WorkerProcesses(pickle.dumps(work), 1, ())
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._number = 0
        self._owed = 0
        """Answers still to come to requests that nobody waits for any more."""
        self._idle_timer: threading.Timer | None = None
        self._is_closed = False

    def ask(self, item: Item, timeout_s: float, advance: Callable[[int], None] = lambda _: None) -> Result:
        """What comes of the item, once those that were asked before are done.

        Raises:
            BusyError: too many wait already, or it takes longer than `timeout_s`. What runs goes on, as a model that
                takes minutes to load could otherwise never be had.
            UnreachableError: the process died twice over it, or is closed. Whatever the work itself raises passes
                through.
        """
        deadline = time.monotonic() + timeout_s
        if not self._places.acquire(blocking=False):
            raise BusyError(f"Too many requests wait for the process that {self.what}; try again in a minute.")
        try:
            if not self._turn.acquire(timeout=timeout_s):
                raise self._too_slow(timeout_s)
            try:
                self._number += 1
                return self._answer(item, deadline, advance)
            except TimeoutError:
                raise self._too_slow(timeout_s) from None
            finally:
                self._end_when_idle()
                self._turn.release()
        finally:
            self._places.release()

    def close(self) -> None:
        """Ends the process, whatever it does."""
        self._is_closed = True
        while not self._turn.acquire(timeout=0.1):
            worker = self._pool.workers.get(0)
            if worker is not None:
                worker.process.kill()
        try:
            self._end()
        finally:
            self._turn.release()

    def _answer(self, item: Item, deadline: float, advance: Callable[[int], None]) -> Result:
        how = ""
        for _ in range(DEATHS):
            if self._is_closed:
                raise UnreachableError(f"The process that {self.what} is being ended.")
            if 0 not in self._pool.workers:
                self._owed = 0
                self._pool.start(0)
            self._pool.give(0, self._number, item)
            try:
                return self._result(deadline, advance)
            except _DiedError as death:
                how = str(death)
        raise UnreachableError(f"The process that {self.what} died {DEATHS} times over this; the last time it {how}.")

    def _result(self, deadline: float, advance: Callable[[int], None]) -> Result:
        while True:
            if not wait([self._pool.workers[0].connection], max(0.0, deadline - time.monotonic())):
                self._owed += 1
                raise TimeoutError
            for _, message in self._pool.messages():
                match message:
                    case Died(how):
                        raise _DiedError(how)
                    case Finished() | Failed() if self._owed:
                        self._owed -= 1
                    case Advanced(n_units) if not self._owed:
                        advance(n_units)
                    case Finished(_, result):
                        return result
                    case Failed(error):
                        raise error

    def _too_slow(self, timeout_s: float) -> BusyError:
        return BusyError(
            f"The process that {self.what} did not answer within {timeout_s:g} s: it is busy, or still loading a "
            "model; try again in a minute."
        )

    def _end_when_idle(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = threading.Timer(self.idle_s, self._end_if_idle, [self._number])
        self._idle_timer.daemon = True
        self._idle_timer.start()

    def _end_if_idle(self, number: int) -> None:
        if self._turn.acquire(blocking=False):
            try:
                if number == self._number:
                    self._end()
            finally:
                self._turn.release()

    def _end(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._pool.close()
