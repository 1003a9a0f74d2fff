"""How often a client may ask for heavy work."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple


class _Bucket(NamedTuple):
    tokens: float
    """Requests that are free."""
    at: float
    """When that was so."""


class RateLimit:
    """A token bucket for each client: a burst of requests at once, then so many a minute. Usable from any thread."""

    def __init__(
        self,
        a_minute: float = 30,
        burst: int = 10,
        most_clients: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ):
        """All buckets are full.

        Args:
            a_minute: requests that a client may make a minute in the long run.
            burst: requests at once.
            most_clients: clients that are remembered, those that asked last; the others have a full bucket again.
            clock: the time in seconds.
        """
        self.per_s, self.burst, self.most_clients, self.clock = a_minute / 60, burst, most_clients, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._changing = threading.Lock()

    def wait_s(self, client: str) -> float:
        """Takes a request; 0 where it is free, else how many seconds the client must wait, and nothing is taken."""
        with self._changing:
            now = self.clock()
            bucket = self._buckets.pop(client, _Bucket(self.burst, now))
            tokens = min(self.burst, bucket.tokens + (now - bucket.at) * self.per_s)
            is_free = tokens >= 1
            self._buckets[client] = _Bucket(tokens - is_free, now)
            if len(self._buckets) > self.most_clients:
                self._buckets.popitem(last=False)
            return 0.0 if is_free else (1 - tokens) / self.per_s
