"""The engine that works in this process, one task after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass

from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.tally import Tally
from sae_assets.engine.work import Done, Item, Result, Task, Work


@dataclass(frozen=True)
class InlineEngine:
    """Does everything in the thread that asks for the results."""

    def map(
        self, work: Work[Item, Result], tasks: Sequence[Task[Item]], what: str, unit: str, progress: Progress = silent
    ) -> Iterator[Done[Item, Result]]:
        """See `Engine.map`."""
        if not tasks:
            return
        tally = Tally(tasks, what, unit, progress)
        running = 0
        compute = work.start(None, lambda n_units: tally.advance(running, n_units))
        endings: deque[tuple[int, Future[Result]]] = deque()

        def ended(n_left: int) -> Iterator[Done[Item, Result]]:
            """The results there are, waiting until at most `n_left` tasks have not ended."""
            while endings and (len(endings) > n_left or endings[0][1].done()):
                number, future = endings.popleft()
                yield Done(tasks[number], future.result())
                tally.finish(number)  # last: a user's interrupt may come out of the report

        try:
            for running, task in enumerate(tasks):
                try:
                    endings.append((running, _as_future(compute(task.item))))
                except BaseException:  # also where the user stops it
                    yield from ended(0)  # what the task before has made counts
                    raise
                yield from ended(1)
            yield from ended(0)
        finally:
            wait([future for _, future in endings])


def _as_future(result: Result | Future[Result]) -> Future[Result]:
    if isinstance(result, Future):
        return result
    future: Future[Result] = Future()
    future.set_result(result)
    return future
