"""When the next request may be sent: so many requests and tokens a minute, and none while the server wants quiet.

The generic cell rate algorithm (ITU-T I.371) without bursts: a request takes the time that its share of a minute lasts,
and begins when those before it have had theirs. Of the libraries, pyrate-limiter keeps an entry for each token of the
last minute and tenacity knows no rates; this keeps one number for each limit.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

SPREAD = 0.1
"""Share of a server's wait within which those who kept quiet begin again, so that they do not come all at once."""


class Pacer:
    """Holds requests back, for any number of threads."""

    def __init__(
        self,
        requests_per_minute: float | None,
        tokens_per_minute: float | None,
        sleep: Callable[[float], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing was sent yet.

        Args:
            sleep: waits for some seconds; True as soon as all work has ended (`threading.Event.wait`).
            now: a clock in seconds.
        """
        self._seconds_a_request = 60 / requests_per_minute if requests_per_minute else 0.0
        self._seconds_a_token = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._sleep, self._now = sleep, now
        self._lock = threading.Lock()
        self._next = self._quiet_until = now()
        self._spread = 0.0

    def wait(self, n_tokens: int) -> None:
        """Returns when a request of about `n_tokens`, with its answer, may be sent, or when all work has ended."""
        share = max(self._seconds_a_request, n_tokens * self._seconds_a_token)
        while True:
            if self._sleep_for(self._place(share)):
                return
            with self._lock:
                quiet = self._quiet_until - self._now()
                spread = self._spread
            if quiet <= 0 or self._sleep_for(quiet + random.uniform(0, spread)):
                return

    def keep_quiet(self, seconds: float) -> None:
        """Nobody sends anything for this time, as the server told one of us."""
        with self._lock:
            self._quiet_until = max(self._quiet_until, self._now() + seconds)
            self._spread = SPREAD * seconds

    def _place(self, share: float) -> float:
        """Seconds until the turn of a request that takes `share` seconds."""
        with self._lock:
            now = self._now()
            begins = max(now, self._next)
            self._next = begins + share
            return begins - now

    def _sleep_for(self, seconds: float) -> bool:
        return seconds > 0 and self._sleep(seconds)
