"""What a worker in another process tells the engine."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple


class Started(NamedTuple):
    """The work is loaded; tasks can be done."""


class Advanced(NamedTuple):
    """Some more of the running task is done."""

    n_units: int
    """How much more."""


class Computed(NamedTuple):
    """A task has come as far as its future: the next one can run."""

    number: int
    """Which task."""


class Finished(NamedTuple):
    """A task is done."""

    number: int
    """Which task."""
    result: Any
    """What came of it."""


class Failed(NamedTuple):
    """The work raised an exception."""

    error: Exception
    """The exception, with the worker's traceback as a note."""


class Died(NamedTuple):
    """The worker is gone, and with it what it had not finished. The engine itself says so."""

    how: str
    """How, and what to do about it, as the end of a sentence: "was killed by SIGKILL"."""


Message = Started | Advanced | Computed | Finished | Failed | Died


def told(make: Callable[[], Message]) -> bytes:
    """The message, pickled; the failure where making or pickling it raises."""
    try:
        return pickle.dumps(make())
    except Exception as error:
        return pickle.dumps(_failed(error))


def _failed(error: Exception) -> Failed:
    text = "".join(traceback.format_exception(error))
    try:
        passed = pickle.loads(pickle.dumps(error))
        assert isinstance(passed, Exception)
    except Exception:  # its class cannot be pickled, or not be made again from its arguments
        passed = RuntimeError(f"{type(error).__name__}: {error}")
    passed.add_note(f"In the worker:\n{text}")
    return Failed(passed)
