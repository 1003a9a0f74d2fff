"""The progress of many tasks at once, added up."""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.engine.progress import Progress, Step
from sae_assets.engine.work import Task


class Tally:
    """How much is done of all tasks: of those that are done all, of the others what their workers told."""

    def __init__(self, tasks: Sequence[Task], what: str, unit: str, progress: Progress):
        self._tasks, self._what, self._unit, self._progress = tasks, what, unit, progress
        self._total = sum(task.size for task in tasks)
        self._finished = 0
        self._parts: dict[int, int] = {}
        self._report()

    def advance(self, number: int, n_units: int) -> None:
        """Some more of a task is done; never more than there is of it."""
        self._parts[number] = min(self._parts.get(number, 0) + n_units, self._tasks[number].size)
        self._report()

    def finish(self, number: int) -> None:
        """A task is done."""
        self._parts.pop(number, None)
        self._finished += self._tasks[number].size
        self._report()

    def forget(self, number: int) -> None:
        """What was done of a task is lost."""
        if self._parts.pop(number, 0):
            self._report()

    def _report(self) -> None:
        done = self._finished + sum(self._parts.values())
        self._progress(Step(self._what, done, self._total, self._unit))
