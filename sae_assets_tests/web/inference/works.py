"""Works that a child process is tried with."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sae_assets.settings import UserError


class Answer(NamedTuple):
    """Who answered what."""

    item: Any
    process: int


@dataclass(frozen=True)
class Doing:
    """Does what an item says, ("sleep", seconds), ("die", file, times) or ("fail",), and gives any other back."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[Any], Answer]:
        def do(item: Any) -> Answer:
            match item:
                case ("sleep", seconds):
                    advance(1)
                    time.sleep(seconds)
                case ("die", str(file), times):
                    n_deaths = Path(file).stat().st_size if Path(file).exists() else 0
                    if n_deaths < times:
                        Path(file).write_text("x" * (n_deaths + 1))
                        os.kill(os.getpid(), signal.SIGKILL)
                case ("fail",):
                    raise UserError("This cannot be done.")
            return Answer(item, os.getpid())

        return do
