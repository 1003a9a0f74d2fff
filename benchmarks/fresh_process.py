"""Measuring in a process that has done nothing else before."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def in_fresh_process(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the work returns, from a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(work, sender))
    process.start()
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def peak_bytes() -> int:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _send(work: Callable[[], dict[str, Any]], sender: Connection) -> None:
    sender.send(work())
