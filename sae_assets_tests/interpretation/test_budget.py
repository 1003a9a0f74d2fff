"""A run's account: what may be asked, what waits, and when the budget has ended."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.allotments import Foreseen
from sae_assets.interpretation.answers import ExplanationAnswer
from sae_assets.interpretation.asking import BudgetEndedError
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.estimates import TokenEstimates
from sae_assets.interpretation.records import Usage
from sae_assets.settings import UserError
from sae_assets.settings.prices import ModelPrice
from sae_assets_tests.interpretation.questions import question

PRICE = ModelPrice(input=1_000_000, output=1_000_000)
"""A dollar a token."""
TAKEN = Usage(1, 100, 10, cost=110.0)
N_TOKENS = 110


def pay(ledger: Ledger, usage: Usage = TAKEN) -> None:
    ledger.settle(ledger.reserve(question()), usage)


@pytest.mark.parametrize(("n_tokens", "n_asked"), [(1000, 9), (989, 8), (990, 9), (5000, 45)])
def test_requests_one_after_the_other_use_the_budget_and_no_more(n_tokens: int, n_asked: int) -> None:
    for ledger in (Ledger(max_tokens=n_tokens), Ledger(PRICE, max_cost=n_tokens)):
        with pytest.raises(BudgetEndedError):
            while True:
                pay(ledger)
        assert ledger.has_ended
        assert ledger.spent == Usage(n_asked, 100 * n_asked, 10 * n_asked, 0, 110.0 * n_asked)


def test_account_without_limits_never_ends() -> None:
    ledger = Ledger()
    for _ in range(100):
        pay(ledger, Usage(1, 10**9, 10**9))
    assert not ledger.has_ended


def test_end_names_the_limits() -> None:
    with pytest.raises(BudgetEndedError, match=r"The budget of \$0\.5 and 1,000 tokens does not allow another request"):
        Ledger(PRICE, max_cost=0.5, max_tokens=1000).reserve(question())


def test_what_is_under_way_counts_until_it_is_settled_or_released() -> None:
    ledger = Ledger(max_tokens=4 * N_TOKENS)
    pay(ledger)
    first, second, _third = (ledger.reserve(question()) for _ in range(3))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ledger.reserve, question())
        assert not wait([waiting], timeout=0.2).done
        ledger.release(first)
        ledger.settle(second, TAKEN)
        assert waiting.result(timeout=10).amount.tokens == N_TOKENS
    assert not ledger.has_ended


def test_request_that_does_not_fit_waits_as_others_may_take_less_than_was_put_aside() -> None:
    ledger = Ledger(max_tokens=3 * N_TOKENS)
    dear = ledger.reserve(question())
    assert dear.amount.tokens > N_TOKENS
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ledger.reserve, question()) for _ in range(2)]
        assert not wait(waiting, timeout=0.2).done
        ledger.settle(dear, TAKEN)
        assert [one.result(timeout=10).amount.tokens for one in waiting] == [N_TOKENS] * 2


def test_all_who_wait_learn_of_the_end() -> None:
    ledger = Ledger(max_tokens=N_TOKENS + 200)
    pay(ledger)
    last = ledger.reserve(question())
    with ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(ledger.reserve, question()) for _ in range(5)]
        ledger.settle(last, TAKEN)
        assert all(isinstance(one.exception(timeout=10), BudgetEndedError) for one in waiting)
    with pytest.raises(BudgetEndedError):
        ledger.reserve(question())


@given(st.integers(0, 5000), st.integers(1, 8), st.integers(0, 1000))
def test_limit_is_passed_by_no_more_than_the_estimates_were_wrong(max_tokens: int, n_workers: int, seed: int) -> None:
    ledger = Ledger(max_tokens=max_tokens or 1)
    rng = random.Random(seed)
    errors = []

    def work() -> None:
        while True:
            try:
                reservation = ledger.reserve(question())
            except BudgetEndedError:
                return
            tokens = rng.randrange(1, 400)
            errors.append(max(0, tokens - reservation.amount.tokens))
            if rng.random() < 0.1:
                ledger.release(reservation)
            else:
                ledger.settle(reservation, Usage(1, tokens, 0))

    threads = [threading.Thread(target=work) for _ in range(n_workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    spent = ledger.spent.prompt_tokens
    assert ledger.has_ended
    assert spent <= (max_tokens or 1) + n_workers * max(errors, default=0)


def test_failed_request_is_not_charged() -> None:
    ledger = Ledger(max_tokens=300)
    for _ in range(100):
        ledger.release(ledger.reserve(question()))
    pay(ledger)
    assert ledger.spent == TAKEN


def test_answers_of_the_cache_are_entered_apart_and_not_charged() -> None:
    ledger = Ledger(max_tokens=300)
    for _ in range(100):
        ledger.save(TAKEN)
    pay(ledger)
    assert (ledger.spent.requests, ledger.saved.requests, ledger.saved.cost) == (1, 100, 11000.0)


def test_endpoint_that_counts_nothing_is_charged_as_estimated() -> None:
    ledger = Ledger(PRICE, max_cost=2000)
    with pytest.raises(BudgetEndedError):
        while True:
            pay(ledger, Usage(1))
    estimate = TokenEstimates().of(question()).total
    assert ledger.spent == Usage(2000 // estimate)


def test_model_without_a_price_is_refused_once_the_endpoint_names_no_cost_either() -> None:
    ledger = Ledger(model="mine", max_cost=1)
    first = ledger.reserve(question())
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ledger.reserve, question())
        assert not wait([waiting], timeout=0.2).done
        ledger.settle(first, Usage(1, 100, 10))
        with pytest.raises(UserError, match=r"nobody says what the model 'mine' costs; add it to auto_interp\.prices"):
            waiting.result(timeout=10)
    with pytest.raises(UserError, match="'mine'"):
        Ledger(model="mine", max_cost=1).reserve(question(), is_batch=True)


def test_endpoint_that_names_costs_needs_no_price() -> None:
    ledger = Ledger(model="mine", max_cost=1000)
    with pytest.raises(BudgetEndedError):
        while True:
            pay(ledger)
    assert ledger.spent.requests == 9


def test_batch_is_reserved_at_half_price_and_never_waits() -> None:
    ledger = Ledger(PRICE, max_cost=1000)
    pay(ledger)
    n_reserved = 0
    with pytest.raises(BudgetEndedError):
        while True:
            assert ledger.reserve(question(), is_batch=True).amount.cost == N_TOKENS / 2
            n_reserved += 1
    assert n_reserved == 16
    assert ledger.has_ended


def test_estimates_come_from_characters_and_then_from_what_was_seen() -> None:
    estimates, asked = TokenEstimates(), question()
    n_characters = len(asked.messages.system) + len(asked.messages.user)
    assert estimates.of(asked) == (round(n_characters / 3), 150)
    estimates.learn(asked, Usage(1))
    assert estimates.of(asked) == (round(n_characters / 3), 150)
    estimates.learn(asked, Usage(1, 100, 10))
    estimates.learn(asked, Usage(1, 100, 20))
    assert estimates.of(asked) == (100, 15)
    assert estimates.of(asked._replace(form=ExplanationAnswer)) == (100, 150)  # type: ignore[arg-type]


def expected(n: int) -> Foreseen:
    return Foreseen([question(number) for number in range(n)])


def learned(max_tokens: int) -> Ledger:
    """An account that knows what a question takes, as one feature with five questions was paid for."""
    ledger = Ledger(max_tokens=max_tokens)
    in_feature(ledger, 5)
    return ledger


def in_feature(ledger: Ledger, n_expected: int) -> int:
    """Asks what was expected; how many questions."""
    with ledger.allotted(lambda: expected(n_expected)):
        for _ in range(n_expected):
            pay(ledger)
    return n_expected


def test_feature_is_begun_only_with_all_that_it_needs_beside_what_others_still_need() -> None:
    ledger = learned(17 * N_TOKENS)
    with ThreadPoolExecutor(1) as pool:
        with ledger.allotted(lambda: expected(6)):
            second = pool.submit(in_feature, ledger, 5)
            for _ in range(6):
                assert not wait([second], timeout=0.05).done
                pay(ledger)
        # The first took less than was put aside for it.
        assert second.result(timeout=10) == 5
    assert ledger.spent.requests == 16
    assert not ledger.has_ended


def test_feature_that_does_not_fit_ends_the_budget_but_none_under_way() -> None:
    ledger = learned(12 * N_TOKENS)
    with pytest.raises(BudgetEndedError), ledger.allotted(lambda: expected(7)):
        pytest.fail("it was begun")
    assert ledger.has_ended

    ledger = learned(12 * N_TOKENS)
    with ThreadPoolExecutor(1) as pool, ledger.allotted(lambda: expected(6)):
        too_large = pool.submit(in_feature, ledger, 4)
        assert not wait([too_large], timeout=0.2).done
        for _ in range(5):
            pay(ledger)
        ledger.has_ended = True
        pay(ledger)
        assert isinstance(too_large.exception(timeout=10), BudgetEndedError)
    assert ledger.spent.requests == 11


def test_features_that_all_need_more_than_was_put_aside_give_way_one_by_one() -> None:
    ledger = learned(25 * N_TOKENS)
    all_begun = threading.Barrier(4)

    def asks_twice_as_much() -> bool:
        with ledger.allotted(lambda: expected(4)):
            all_begun.wait(10)
            try:
                for _ in range(8):
                    pay(ledger)
            except BudgetEndedError:
                return False
            return True

    with ThreadPoolExecutor(4) as pool:
        is_done = [pool.submit(asks_twice_as_much) for _ in range(4)]
        n_done = sum(one.result(timeout=10) for one in is_done)
    assert 0 <= n_done <= 2
    assert ledger.has_ended
    assert 20 < ledger.spent.requests <= 25


def test_first_feature_goes_alone_unless_the_end_is_far() -> None:
    for max_tokens, is_begun in ((5000, False), (500_000, True)):
        ledger = Ledger(max_tokens=max_tokens)
        with ThreadPoolExecutor(1) as pool:
            with ledger.allotted(lambda: expected(2)):
                second = pool.submit(in_feature, ledger, 2)
                pay(ledger)
                assert bool(wait([second], timeout=0.2).done) == is_begun
            assert second.result(timeout=10) == 2


def test_feature_far_from_the_end_is_not_foreseen() -> None:
    n_foreseen = 0

    def foresee() -> Foreseen:
        nonlocal n_foreseen
        n_foreseen += 1
        return expected(1)

    ledger = Ledger(max_tokens=101 * N_TOKENS)
    for _ in range(100):
        with ledger.allotted(foresee):
            pay(ledger)
    assert ledger.spent.requests == 100
    assert n_foreseen == 9, "the first one and the last eight"
    unbounded = Ledger()
    with unbounded.allotted(lambda: pytest.fail("nothing is bounded")):
        pay(unbounded)


def test_feature_of_which_all_is_known_is_begun_with_nothing_left() -> None:
    ledger = learned(11 * N_TOKENS)
    for _ in range(6):
        pay(ledger)
    with ledger.allotted(lambda: expected(0)):
        ledger.save(TAKEN)
    assert not ledger.has_ended
