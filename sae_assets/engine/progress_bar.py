"""Progress as a bar on the terminal, where there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from sae_assets.engine.progress import Progress, Step, silent


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Draws a bar for each piece of work while it lasts; silent where there is no terminal to draw on."""
    with _terminal() as terminal:
        if terminal is None:
            yield silent
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:<14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=Console(file=terminal)) as bars:
            tasks = {}

            def report(step: Step) -> None:
                if step.what not in tasks or step.done == 0:
                    tasks[step.what] = bars.add_task(step.what, total=step.total, unit=step.unit, note=step.note)
                bars.update(tasks[step.what], completed=step.done, total=step.total, note=step.note)

            yield report


@contextmanager
def _terminal() -> Iterator[IO[str] | None]:
    """Standard error where it is a terminal; else the terminal that a run's captured output hides, if any."""
    if sys.stderr.isatty():
        yield sys.stderr
        return
    try:
        file = open(os.ctermid(), "w")  # noqa: PTH123, SIM115
    except (OSError, AttributeError):
        yield None
        return
    with file:
        yield file


@contextmanager
def progress_or_bar(progress: Progress | None) -> Iterator[Progress]:
    """The receiver that the caller gave, else a bar."""
    if progress is not None:
        yield progress
        return
    with progress_bar() as bar:
        yield bar
