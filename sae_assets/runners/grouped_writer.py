"""Writing what comes one by one in groups, without letting anything wait for its group to grow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupedWriter(Generic[T]):
    """Writes items in a thread of its own: each time all that came while the last ones were written.

    A round trip to the store takes about as long for one item as for ten. A context manager: at its end all is written.
    """

    def __init__(self, write: Callable[[list[T]], None]) -> None:
        """Takes what writes a group of one or more items; it is called by one thread."""
        self._write = write
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="grouped-writer")
        self._lock = Lock()
        self._waiting: list[T] = []
        self._failure: Exception | None = None

    def __enter__(self) -> GroupedWriter[T]:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._pool.shutdown()
        if error is None:
            self._raise_failure()

    def put(self, item: T) -> None:
        """Hands an item over; raises what writing an earlier one raised."""
        self._raise_failure()
        with self._lock:
            self._waiting.append(item)
            is_first = len(self._waiting) == 1
        if is_first:
            self._pool.submit(self._write_waiting)

    def _write_waiting(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            self._write(group)
        except Exception as error:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
