"""Works that the engines are tried with."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sae_assets.activations.batch import NotFiniteError
from sae_assets.engine.work import Task

SIZE = 10
"""Units of progress of every task."""


def tasks_of(*items: Any) -> list[Task]:
    return [Task(f"item {item}", item, SIZE) for item in items]


@dataclass(frozen=True)
class Square:
    """Squares numbers, `seconds` each; before that it tells that so many units of the task are done."""

    seconds: float = 0.0
    told: int = SIZE // 2

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], int]:
        def square(number: int) -> int:
            advance(self.told)
            time.sleep(self.seconds)
            return number * number

        return square


@dataclass(frozen=True)
class Diary:
    """Notes in a file when a task begins, when it is computed and when its end, which takes longer, is done."""

    file: Path

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], Future[int]]:
        thread = ThreadPoolExecutor(1)

        def note(line: str) -> None:
            with self.file.open("a") as diary:
                diary.write(f"{line}\n")

        def end(number: int) -> int:
            time.sleep(0.3)
            note(f"ended {number}")
            return number

        def run(number: int) -> Future[int]:
            note(f"began {number + 0}")  # which only a number can do
            note(f"computed {number}")
            return thread.submit(end, number)

        return run


@dataclass(frozen=True)
class Deadly:
    """Kills its process at the number 3, as often as the file is shorter than that many bytes."""

    file: Path
    times: int
    is_in_the_end: bool = False
    """Whether the future of the number 3 does so, and not its computation."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], int | Future[int]]:
        thread = ThreadPoolExecutor(1)

        def live_or_die(number: int) -> int:
            n_deaths = self.file.stat().st_size if self.file.exists() else 0
            if number == 3 and n_deaths < self.times:
                self.file.write_text("x" * (n_deaths + 1))
                time.sleep(0.2)
                os.kill(os.getpid(), signal.SIGKILL)
            return number

        def run(number: int) -> int | Future[int]:
            advance(SIZE)
            return thread.submit(live_or_die, number) if self.is_in_the_end else live_or_die(number)

        return run


class Stillborn:
    """Ends its process when it is started."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], int]:
        os._exit(3)


class PickyError(Exception):
    """Cannot be made again from its text."""

    def __init__(self, number: int, reason: str):
        super().__init__(f"{number} is {reason}")


@dataclass(frozen=True)
class Failing:
    """Raises at the number 2."""

    kind: str
    is_at_the_start: bool = False

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], Any]:
        def run(number: int) -> Any:
            if number == 2:
                match self.kind:
                    case "mistake of the user":
                        raise NotFiniteError(7, 11)
                    case "mistake of ours":
                        raise ZeroDivisionError("a number")
                    case "cannot be pickled":
                        raise PickyError(2, "odd")
            return number

        return run(2) if self.is_at_the_start else run


class Unpicklable:
    """Gives results that cannot be sent."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], Any]:
        return lambda number: lambda: number


class Present(NamedTuple):
    """Who did a task, and how."""

    process: int
    device: str | None
    threads: int


@dataclass(frozen=True)
class Meeting:
    """Each task ends as soon as so many processes have come, whose numbers are files of the folder."""

    folder: Path
    n_processes: int

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], Present]:
        import torch

        def run(number: int) -> Present:
            (self.folder / str(os.getpid())).touch()
            deadline = time.monotonic() + 60
            while len(list(self.folder.iterdir())) < self.n_processes and time.monotonic() < deadline:
                time.sleep(0.01)
            return Present(os.getpid(), device, torch.get_num_threads())

        return run
