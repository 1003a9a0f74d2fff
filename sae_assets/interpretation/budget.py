"""What a run may pay and has paid: every request is entered before it is sent, and settled when it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from sae_assets.interpretation.allotments import NOTHING, Allotment, Amount, Foreseen, Reservation
from sae_assets.interpretation.asking import BudgetEndedError, Question
from sae_assets.interpretation.estimates import TokenEstimates
from sae_assets.interpretation.pricing import cost_of
from sae_assets.interpretation.records import Usage
from sae_assets.settings import UserError
from sae_assets.settings.prices import ModelPrice

MARGIN = 1.1
"""Of what is put aside for a feature: neither its explanation nor the answers are as long as thought."""
FAR = 10
"""Estimates do not matter as long as so many times what is under way would fit."""


class Ledger:
    """The account of one run, for any number of threads.

    A feature is begun with all that it is likely to take put aside, so that a small budget is not spread over many
    features that are all half done; the first one alone, to learn what features take, unless the end is far. What does
    not fit waits for what is under way, as that may take less than was put aside for it; if it does not fit either when
    nothing is left that it could wait for, the budget has ended: no other feature is begun, and those under way have
    what was put aside for them.

    The run never pays more than its limits by more than the estimates of the requests under way were wrong. Failed
    requests are not charged. An answer whose tokens or cost the endpoint does not report is charged as estimated, where
    there is a limit on them.
    """

    def __init__(
        self,
        price: ModelPrice | None = None,
        model: str = "",
        *,
        max_cost: float | None = None,
        max_tokens: int | None = None,
    ) -> None:
        """An empty account.

        Args:
            price: of the model; where it is not known, the first request goes alone to learn whether the endpoint
                reports its cost.
            model: its name, for the error where it has no price.
            max_cost: US dollars that may be spent.
            max_tokens: tokens, of prompts and answers together, that may be paid for.
        """
        self.max_cost, self.max_tokens = max_cost, max_tokens
        self.spent = Usage()
        """What was paid for."""
        self.saved = Usage()
        """What answers from the cache took when they were asked first."""
        self.has_ended = False
        """Whether something was refused."""
        self._price, self._model = price, model
        self._estimates = TokenEstimates()
        self._changed = threading.Condition()
        self._thread = threading.local()
        self._charged = self._reserved = NOTHING
        self._largest = NOTHING  # what a feature took
        self._n_under_way = self._n_waiting = 0
        self._cost_a_token: float | None = None
        self._is_unpriced = False

    @property
    def has_limit(self) -> bool:
        """Whether anything is ever refused."""
        return self.max_cost is not None or self.max_tokens is not None

    @contextmanager
    def allotted(self, foresee: Callable[[], Foreseen]) -> Generator[None]:
        """Begins and ends a feature, all of whose requests come from this thread.

        Args:
            foresee: says what the feature will take; not asked where that does not matter.

        Raises:
            BudgetEndedError: it does not fit into the budget, or an earlier one did not.
            UserError: as `reserve`.
        """
        if not self.has_limit:
            yield
            return
        self._raise_if_ended()
        expected = None if self._is_far else foresee()
        allotment = Allotment(self._put_aside(lambda: self._need(expected), is_feature=True))
        self._thread.allotment = allotment
        try:
            yield
        finally:
            self._thread.allotment = None
            with self._changed:
                self._largest = self._largest.at_least(allotment.taken)
                self._end(allotment.left)

    def reserve(self, question: Question[Any], *, is_batch: bool = False) -> Reservation:
        """Puts aside what a question is likely to take, until it is settled or released.

        Args:
            is_batch: at the price of a batch, and without waiting for requests under way, which are of the same batch.

        Raises:
            BudgetEndedError: the run may not pay for it, nor for any later one; a later one of a batch, or of a feature
                under way, may still fit.
            UserError: there is a limit on the cost, and neither settings nor endpoint say what the model costs.
        """
        if is_batch and self._is_cost_unknown:
            raise UserError(self._unpriced)
        own = None if is_batch else self._own
        amount = self._put_aside(lambda: self._estimate(question, is_batch), own, waits=not is_batch)
        return Reservation(question, amount, own)

    def reserve_texts(self, amount: Amount) -> Reservation:
        """The same for texts to embed, which have a model and a price of their own; raises what `reserve` raises.

        Never waits, as features with the same texts wait for each other already.
        """
        own = self._own
        return Reservation(None, self._put_aside(lambda: amount, own, waits=False), own)

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Charges what the answer took, `usage.cost` included, in place of what was put aside."""
        if reservation.question is not None:
            self._estimates.learn(reservation.question, usage)
        estimate = reservation.amount
        taken = Amount(
            usage.prompt_tokens + usage.completion_tokens or estimate.tokens,
            estimate.cost if usage.cost is None else usage.cost,
        )
        with self._changed:
            self.spent = Usage.total([self.spent, usage])
            self._charged += taken
            if reservation.question is not None:
                self._is_unpriced |= self.max_cost is not None and self._price is None and usage.cost is None
                self._cost_a_token = self._charged.cost / max(1, self._charged.tokens)
            self._free(reservation, taken)

    def release(self, reservation: Reservation) -> None:
        """Frees what was put aside for a request that had no answer."""
        with self._changed:
            self._free(reservation, NOTHING)

    def save(self, usage: Usage) -> None:
        """Enters an answer that the cache had."""
        with self._changed:
            self.saved = Usage.total([self.saved, usage])

    @property
    def _own(self) -> Allotment | None:
        return getattr(self._thread, "allotment", None)

    def _put_aside(
        self,
        estimate: Callable[[], Amount],
        own: Allotment | None = None,
        *,
        waits: bool = True,
        is_feature: bool = False,
    ) -> Amount:
        """The estimate, which may change while it waits, as soon as it fits; a feature's own share goes first."""
        with self._changed:
            while True:
                if self._is_unpriced:
                    raise UserError(self._unpriced)
                if waits and own is None:
                    self._raise_if_ended()
                wanted = estimate()
                beyond = wanted if own is None else (wanted - own.left).at_least(NOTHING)
                n_others = self._n_under_way - (own is not None)
                must_wait = n_others > 0 and (self._is_cost_unknown or (is_feature and self._is_guess(wanted)))
                if beyond == NOTHING or (not must_wait and self._allows(self._charged + self._reserved + beyond)):
                    self._reserved += beyond
                    if own is None:
                        self._n_under_way += 1
                    else:
                        own.left = (own.left - wanted).at_least(NOTHING)
                    return wanted
                if not waits or n_others <= self._n_waiting:
                    self.has_ended = True
                    self._notify()
                    raise BudgetEndedError(self._ended)
                self._n_waiting += own is not None
                self._changed.wait()

    def _free(self, reservation: Reservation, taken: Amount) -> None:
        own = reservation.allotment
        if own is None:
            self._end(reservation.amount)
            return
        # What a request did not take, the feature's next ones may, and what it took beyond its estimate is theirs.
        left = (own.left + reservation.amount - taken).at_least(NOTHING)
        self._reserved += left - own.left - reservation.amount
        own.left, own.taken = left, own.taken + taken
        self._notify()

    def _end(self, amount: Amount) -> None:
        self._n_under_way -= 1
        # Rounding must not add up over a million requests.
        self._reserved = self._reserved - amount if self._n_under_way else NOTHING
        self._notify()

    def _notify(self) -> None:
        # Who was waiting looks again, and counts itself again.
        self._n_waiting = 0
        self._changed.notify_all()

    def _raise_if_ended(self) -> None:
        if self.has_ended:
            raise BudgetEndedError(self._ended)

    @property
    def _is_cost_unknown(self) -> bool:
        return self.max_cost is not None and self._price is None and self._cost_a_token is None

    @property
    def _is_far(self) -> bool:
        """Whether the end is so far that a feature may be taken for as dear as any so far."""
        with self._changed:
            return self._largest != NOTHING and self._is_ample(self._largest)

    def _is_ample(self, wanted: Amount) -> bool:
        return self._allows(self._charged + (self._reserved + wanted).times(FAR))

    def _is_guess(self, wanted: Amount) -> bool:
        """Whether nobody knows yet what features take, and it matters."""
        return self._largest == NOTHING and not self._is_ample(wanted)

    def _need(self, expected: Foreseen | None) -> Amount:
        if expected is None:
            return self._largest
        parts = (self._estimate(question) for question in expected.questions)
        return sum(parts, expected.texts).times(MARGIN)

    def _estimate(self, question: Question[Any], is_batch: bool = False) -> Amount:
        tokens = self._estimates.of(question)
        cost = cost_of(Usage(1, tokens.prompt, tokens.completion), self._price, is_batch=is_batch)
        if cost is None:
            cost = tokens.total * (self._cost_a_token or 0.0)
        return Amount(tokens.total, cost)

    def _allows(self, amount: Amount) -> bool:
        return (self.max_tokens is None or amount.tokens <= self.max_tokens) and (
            self.max_cost is None or amount.cost <= self.max_cost
        )

    @property
    def _ended(self) -> str:
        cost = None if self.max_cost is None else f"${self.max_cost:g}"
        tokens = None if self.max_tokens is None else f"{self.max_tokens:,} tokens"
        return f"The budget of {' and '.join(filter(None, (cost, tokens)))} does not allow another request."

    @property
    def _unpriced(self) -> str:
        return (
            f"max_cost cannot be kept, as nobody says what the model {self._model!r} costs; add it to "
            "auto_interp.prices, or set max_tokens instead."
        )
