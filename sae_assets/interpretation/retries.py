"""When a request is sent again, and after how long: passing failures only, as the server says or with growing waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import cast

import openai
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, wait_random_exponential
from tenacity.stop import stop_base

from sae_assets.interpretation.failures import is_quota_used_up

ATTEMPTS = 6
LONGEST_WAIT = 60.0
LONGEST_SERVER_WAIT = 300.0
"""Seconds; a server that asks for a longer wait is not asked again."""


def retrying(
    first_wait: float,
    closing: threading.Event,
    has_answered: Callable[[], bool],
    keep_quiet: Callable[[float], object] = lambda _seconds: None,
) -> Retrying:
    """Repeats a call on passing failures, at most six times in all.

    Args:
        first_wait: seconds that the first wait is drawn from; it doubles each time, up to a minute.
        closing: set to end all waits and repetitions at once.
        has_answered: an endpoint that never answered is tried only once more when it cannot be reached.
        keep_quiet: told the seconds that the server asks to wait, so that others wait too.
    """

    def is_enough(state: RetryCallState) -> bool:
        is_unreachable = isinstance(_error(state), openai.APIConnectionError) and not has_answered()
        return closing.is_set() or state.attempt_number >= (2 if is_unreachable else ATTEMPTS)

    backoff = wait_random_exponential(multiplier=first_wait, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        asked = retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None
        if asked is None:
            return backoff(state)
        keep_quiet(asked)
        return asked

    return Retrying(
        retry=retry_if_exception(is_passing),
        wait=wait,
        stop=cast(stop_base, is_enough),
        sleep=sleep_using_event(closing),
        reraise=True,
    )


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later: a rate limit, a server's fault, a time-out, a lost connection."""
    if isinstance(error, openai.APIConnectionError):
        return True
    if not isinstance(error, openai.APIStatusError) or is_quota_used_up(error):
        return False
    if (retry_after(error.response.headers) or 0) > LONGEST_SERVER_WAIT:
        return False
    return error.status_code in (408, 409, 425, 429) or error.status_code >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait, by `retry-after-ms` or `Retry-After` (seconds or a date); None if none."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if value.strip().isdecimal() or "." in value:
            return max(0.0, float(value))
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
