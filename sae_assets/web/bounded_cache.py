"""Values that are costly to read, kept in memory while they fit; of threads that ask at once, one reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """A value that knows its size."""

    @property
    def n_bytes(self) -> int:
        """Memory that it takes."""
        ...


V = TypeVar("V", bound=Sized)


class BoundedCache(Generic[V]):
    """The values used last, together below a bound; the very last one is kept whatever its size."""

    def __init__(self, max_bytes: int):
        """`max_bytes` bounds the memory."""
        self._max_bytes = max_bytes
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._being_read: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def __contains__(self, key: Hashable) -> bool:
        """Whether the value of this key is there."""
        with self._lock:
            return key in self._values

    def get(self, key: Hashable, read: Callable[[], V]) -> V:
        """The value of this key, read where it is not there."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            turn = self._being_read.setdefault(key, Lock())
        with turn:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = read()
            with self._lock:
                self._values[key] = value
                self._being_read.pop(key, None)
                while len(self._values) > 1 and sum(one.n_bytes for one in self._values.values()) > self._max_bytes:
                    self._values.popitem(last=False)
            return value
