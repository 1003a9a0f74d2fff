"""Work for the engines that keeps one core busy; in a file of its own, so that workers can import it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spin:
    """Keeps one core busy for so many seconds of its own time as its tasks say."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[float], None]:  # noqa: ARG002
        """Nothing to load."""
        return _spin


def _spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
