"""A client may ask in a burst, then at a steady rate; each client for itself, and the memory is bounded."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.web.inference.rate_limit import RateLimit


class Clock:
    """A time that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_is_free_and_then_one_request_every_two_seconds():
    clock = Clock()
    limit = RateLimit(a_minute=30, burst=10, clock=clock)
    assert [limit.wait_s("a") for _ in range(10)] == [0.0] * 10
    assert limit.wait_s("a") == pytest.approx(2)
    clock.now = 1.5
    assert limit.wait_s("a") == pytest.approx(0.5)
    clock.now = 2.0
    assert limit.wait_s("a") == 0.0
    assert limit.wait_s("a") == pytest.approx(2)


def test_clients_do_not_take_from_each_other():
    limit = RateLimit(burst=1, clock=Clock())
    assert [limit.wait_s(client) for client in "abc"] == [0.0] * 3
    assert limit.wait_s("a") > 0


def test_client_that_waited_long_has_a_burst_again_and_no_more():
    clock = Clock()
    limit = RateLimit(burst=4, clock=clock)
    assert [limit.wait_s("a") for _ in range(4)] == [0.0] * 4
    clock.now = 1e6
    assert [limit.wait_s("a") > 0 for _ in range(6)] == [False] * 4 + [True] * 2


def test_only_the_clients_that_asked_last_are_remembered():
    limit = RateLimit(burst=1, most_clients=3, clock=Clock())
    for client in ["a", "b", "c", "a", "d"]:
        limit.wait_s(client)
    assert [limit.wait_s(client) > 0 for client in ["a", "c", "d"]] == [True] * 3
    assert limit.wait_s("b") == 0.0


def test_threads_together_get_no_more_than_the_burst():
    limit = RateLimit(a_minute=0.001, burst=50)
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: limit.wait_s("a"), range(400)))
    assert waits.count(0.0) == 50


@given(pauses=st.lists(st.floats(0, 30), max_size=60), burst=st.integers(1, 10), a_minute=st.floats(1, 600))
def test_never_more_than_the_burst_and_the_rate_and_who_waits_as_told_is_let_in(pauses, burst, a_minute):
    clock = Clock()
    limit = RateLimit(a_minute, burst, clock=clock)
    n_free = 0
    for pause in pauses:
        clock.now += pause
        wait = limit.wait_s("a")
        n_free += wait == 0
        assert n_free <= burst + clock.now * a_minute / 60 + 1e-6
        if wait:
            clock.now += wait + 1e-6
            assert limit.wait_s("a") == 0
            n_free += 1
