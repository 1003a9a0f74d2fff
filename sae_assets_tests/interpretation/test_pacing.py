"""Requests are spread over the minute, by a clock that the tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.pacing import SPREAD, Pacer


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> bool:
        self.seconds += seconds
        return False


def paced(requests: float | None, tokens: float | None, sizes: list[int]) -> list[float]:
    """Seconds after the start at which requests of these sizes are sent."""
    clock = Clock()
    pacer = Pacer(requests, tokens, clock.sleep, clock)
    times = []
    for size in sizes:
        pacer.wait(size)
        times.append(clock.seconds - 1000)
    return times


def test_nothing_is_held_back_without_limits() -> None:
    assert paced(None, None, [10**9] * 5) == [0.0] * 5


def test_requests_are_spread_evenly_over_the_minute() -> None:
    assert paced(120, None, [1] * 4) == pytest.approx([0, 0.5, 1, 1.5])


def test_large_requests_take_longer_where_tokens_are_limited() -> None:
    assert paced(None, 6000, [100, 300, 100]) == pytest.approx([0, 1, 4])


def test_the_stricter_limit_counts() -> None:
    assert paced(60, 6000, [300, 10, 10]) == pytest.approx([0, 3, 4])


@given(
    st.none() | st.integers(1, 10_000),
    st.none() | st.integers(1, 10_000_000),
    st.lists(st.integers(1, 10_000), max_size=50),
)
def test_no_minute_has_more_than_it_may(requests: int | None, tokens: int | None, sizes: list[int]) -> None:
    times = paced(requests, tokens, sizes)
    for first, begin in enumerate(times):
        # The last one of a minute may take its share after it.
        inside = [size for time, size in zip(times[first:], sizes[first:], strict=True) if time < begin + 60 - 1e-6]
        assert requests is None or len(inside) <= requests + 1
        assert tokens is None or sum(inside[:-1]) <= tokens + 1e-3


def test_all_keep_quiet_as_long_as_the_server_told_one() -> None:
    clock = Clock()
    pacer = Pacer(None, None, clock.sleep, clock)
    pacer.keep_quiet(30)
    pacer.keep_quiet(10)
    pacer.wait(1)
    assert 30 <= clock.seconds - 1000 <= 30 * (1 + SPREAD)


def test_quiet_does_not_save_up_requests() -> None:
    clock = Clock()
    pacer = Pacer(60, None, clock.sleep, clock)
    pacer.keep_quiet(30)
    times = []
    for _ in range(3):
        pacer.wait(1)
        times.append(clock.seconds)
    assert times[0] >= 1030
    assert [later - times[0] for later in times[1:]] == pytest.approx([1, 2])


@pytest.mark.parametrize("hold", [lambda pacer: pacer.keep_quiet(3600), lambda pacer: pacer.wait(10**9)])
def test_end_of_the_work_ends_all_waits(hold: Callable[[Pacer], None]) -> None:
    ended = threading.Event()
    pacer = Pacer(None, 1000, ended.wait)
    with ThreadPoolExecutor(5) as pool:
        hold(pacer)
        waits = [pool.submit(pacer.wait, 10) for _ in range(5)]
        assert not any(one.done() for one in waits)
        ended.set()
        assert [one.result(timeout=10) for one in waits] == [None] * 5
