"""Which worker does which task, and what happens when one dies: the part that all engines with workers share."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from sae_assets.engine.messages import Advanced, Computed, Died, Failed, Finished, Message, Started
from sae_assets.engine.tally import Tally
from sae_assets.engine.work import Done, Item, Task
from sae_assets.settings.errors import UserError

DEATHS = 3
"""How many workers may die over a task before it is given up."""
START = -1
"""Stands for a worker's start, where that is what died."""


class Pool(Protocol):
    """Workers by their places, 0 to n_workers - 1, each in another process."""

    n_workers: int

    def start(self, place: int) -> None:
        """Starts a worker, the first one in this place or one for a worker that died."""
        ...

    def give(self, place: int, number: int, item: Any) -> None:
        """Sends a task to a worker, which does it after those that it has."""
        ...

    def messages(self) -> Iterable[tuple[int, Message]]:
        """What workers told since, with their places; waits until there is something."""
        ...

    def close(self) -> None:
        """Ends all workers, whatever they do."""
        ...


@dataclass
class _Load:
    """What one worker has to do."""

    is_started: bool = False
    given: deque[int] = field(default_factory=deque)
    """Tasks that it runs one after the other; the first is running."""
    ending: list[int] = field(default_factory=list)
    """Tasks that ran, and whose futures have not ended."""


def dispatched(pool: Pool, tasks: Sequence[Task[Item]], tally: Tally) -> Iterator[Done[Item, Any]]:
    """The results of all tasks, in the order in which they are done. What a dead worker had is done by another."""
    desk = _Desk(pool, tasks, tally)
    n_left = len(tasks)
    with closing(pool):
        for place in range(pool.n_workers):
            pool.start(place)
        while n_left:
            for place, message in pool.messages():
                done = desk.take(place, message)
                desk.give_out()  # before the caller has the result: its worker need not wait for the caller
                if done is not None:
                    n_left -= 1
                    yield done


class _Desk:
    """Takes the messages and gives out the tasks."""

    def __init__(self, pool: Pool, tasks: Sequence[Task[Any]], tally: Tally):
        self.pool, self.tasks, self.tally = pool, tasks, tally
        self.waiting = deque(range(len(tasks)))
        self.loads = [_Load() for _ in range(pool.n_workers)]
        self.deaths: Counter[int] = Counter()

    def give_out(self) -> None:
        """Gives waiting tasks to the workers that have none, and one ahead where enough wait for all the others."""
        for place, load in enumerate(self.loads):
            while self.waiting and load.is_started and self._has_room(load):
                number = self.waiting.popleft()
                load.given.append(number)
                self.pool.give(place, number, self.tasks[number].item)

    def _has_room(self, load: _Load) -> bool:
        is_idle_soon = not load.given or len(self.waiting) > len(self.loads)
        return len(load.given) + len(load.ending) < 2 and is_idle_soon

    def take(self, place: int, message: Message) -> Done | None:
        """Notes what a worker told; the result where a task is done."""
        load = self.loads[place]
        match message:
            case Started():
                load.is_started = True
            case Advanced(n_units) if load.given:
                self.tally.advance(load.given[0], n_units)
            case Computed(number):
                load.given.remove(number)
                load.ending.append(number)
            case Finished(number, result):
                (load.given if number in load.given else load.ending).remove(number)
                self.tally.finish(number)
                return Done(self.tasks[number], result)
            case Failed(error):
                raise error
            case Died(how):
                self._bury(place, how)
        return None

    def _bury(self, place: int, how: str) -> None:
        """Counts a death, puts the worker's tasks back, and starts another worker."""
        load, self.loads[place] = self.loads[place], _Load()
        suspects = [*list(load.given)[:1], *load.ending]
        for number in suspects if load.is_started else [START]:
            self.tally.forget(number)
            self.deaths[number] += 1
            if self.deaths[number] == DEATHS:
                raise UserError(self._given_up(number, how))
        self.waiting.extendleft(reversed([*load.ending, *load.given]))
        if self.waiting:
            self.pool.start(place)

    def _given_up(self, number: int, how: str) -> str:
        if number == START:
            return f"No worker comes up: {DEATHS} died while they loaded what the tasks need; the last {how}."
        return f"Giving up {self.tasks[number].name}: {DEATHS} workers died over it; the last {how}."
