"""What an engine is given and gives back: tasks, the work that does them, and their results as they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, Protocol, TypeVar

from sae_assets.engine.progress import Progress, silent

Item = TypeVar("Item")
Result = TypeVar("Result")
ItemIn = TypeVar("ItemIn", contravariant=True)
ResultOut = TypeVar("ResultOut", covariant=True)


class Task(NamedTuple, Generic[Item]):
    """One piece of the work."""

    name: str
    """As a person reads it: "chunk 7 of blocks.10.hook_resid_post"."""
    item: Item
    """What the work is told; picklable."""
    size: int
    """How much it is, in the units of the progress."""


class Done(NamedTuple, Generic[Item, Result]):
    """A task that is done."""

    task: Task[Item]
    """The task."""
    result: Result
    """What came of it."""


class Work(Protocol[ItemIn, ResultOut]):
    """What is to be done with each task; picklable, and sent to each worker once."""

    def start(
        self, device: str | None, advance: Callable[[int], None]
    ) -> Callable[[ItemIn], ResultOut | Future[ResultOut]]:
        """Loads what all tasks need, such as a model, once a worker, and gives the function that does one task.

        Where that function returns a future, the worker goes on with its next task while the future ends; beside the
        running task it has at most one that has not ended.

        Args:
            device: where to compute; None: where the work's own settings say.
            advance: to be told how many more units of the running task are done, from the thread that runs it.
        """
        ...


class Engine(Protocol):
    """Where tasks are done. Every engine gives the same results."""

    def map(
        self,
        work: Work[Item, Result],
        tasks: Sequence[Task[Item]],
        what: str,
        unit: str,
        progress: Progress = silent,
    ) -> Iterator[Done[Item, Result]]:
        """Does the tasks and gives the result of each when it is done, in any order.

        No worker is started without a task. Closing the iterator, or an error, ends all workers.

        Args:
            work: what to do with each task.
            tasks: the tasks.
            what: what is being done, for the progress.
            unit: what the sizes of tasks count, for the progress.
            progress: told how much of all tasks is done.

        Raises:
            UserError: the engine cannot be had, or a task's worker died again and again. Whatever the work itself
                raises passes through.
        """
        ...
