"""What a run may pay and has paid: every request is entered before it is sent, and settled when it is answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from sae_assets.interpretation.asking import BudgetEndedError, Question
from sae_assets.interpretation.estimates import TokenEstimates
from sae_assets.interpretation.pricing import cost_of
from sae_assets.interpretation.records import Usage
from sae_assets.settings import UserError
from sae_assets.settings.prices import ModelPrice


class Reservation(NamedTuple):
    """A request under way, at what it is likely to take."""

    question: Question[Any] | None
    """What is asked; None for texts to embed."""
    tokens: int
    """Tokens of prompt and answer, estimated."""
    cost: float
    """US dollars, estimated; 0 where nothing is known of prices."""


class Ledger:
    """The account of one run, for any number of threads.

    The run never pays more than its limits by more than the estimates of the requests under way were wrong. A request
    that does not fit waits for those under way, as they may take less than was put aside for them; if it does not fit
    either when none is left, the budget has ended, for all requests alike. Failed requests are not charged. An answer
    whose tokens or cost the endpoint does not report is charged as estimated, where there is a limit on them.
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
        """Whether a request was refused."""
        self._price, self._model = price, model
        self._estimates = TokenEstimates()
        self._changed = threading.Condition()
        self._charged_tokens, self._charged_cost = 0, 0.0
        self._reserved_tokens, self._reserved_cost, self._n_under_way = 0, 0.0, 0
        self._cost_a_token: float | None = None
        self._is_unpriced = False

    def reserve(self, question: Question[Any], *, is_batch: bool = False) -> Reservation:
        """Puts aside what a question is likely to take, until it is settled or released.

        Args:
            is_batch: at the price of a batch, and without waiting for requests under way, which are of the same batch.

        Raises:
            BudgetEndedError: the run may not pay for it, nor for any later one; a later one of a batch may still fit.
            UserError: there is a limit on the cost, and neither settings nor endpoint say what the model costs.
        """
        return self._reserved(lambda: self._estimate(question, is_batch), is_batch)

    def reserve_tokens(self, tokens: int, cost: float, *, is_batch: bool = False) -> Reservation:
        """The same for texts to embed, which have a model and a price of their own; raises what `reserve` raises.

        Args:
            cost: US dollars that they are likely to cost.
            is_batch: without waiting, as a batch is being collected.
        """
        return self._reserved(lambda: Reservation(None, tokens, cost), is_batch)

    def _reserved(self, estimate: Callable[[], Reservation], is_batch: bool) -> Reservation:
        with self._changed:
            while True:
                self._check(is_batch)
                wanted = estimate()
                if self._fits(wanted):
                    self._put_aside(wanted, 1)
                    return wanted
                if not is_batch and self._n_under_way:
                    self._changed.wait()
                    continue
                self.has_ended = True
                self._changed.notify_all()
                raise BudgetEndedError(self._sentence)

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Charges what the answer took, `usage.cost` included, in place of what was put aside."""
        if reservation.question is not None:
            self._estimates.learn(reservation.question, usage)
        tokens = usage.prompt_tokens + usage.completion_tokens
        with self._changed:
            self._put_aside(reservation, -1)
            self.spent = Usage.total([self.spent, usage])
            self._charged_tokens += tokens or reservation.tokens
            self._charged_cost += reservation.cost if usage.cost is None else usage.cost
            if reservation.question is not None:
                self._is_unpriced |= self.max_cost is not None and self._price is None and usage.cost is None
                self._cost_a_token = self._charged_cost / max(1, self._charged_tokens)
            self._changed.notify_all()

    def release(self, reservation: Reservation) -> None:
        """Frees what was put aside for a request that had no answer."""
        with self._changed:
            self._put_aside(reservation, -1)
            self._changed.notify_all()

    def save(self, usage: Usage) -> None:
        """Enters an answer that the cache had."""
        with self._changed:
            self.saved = Usage.total([self.saved, usage])

    def _check(self, is_batch: bool) -> None:
        if self._is_unpriced or (is_batch and self._is_cost_unknown):
            raise UserError(
                f"max_cost cannot be kept, as nobody says what the model {self._model!r} costs; add it to "
                "auto_interp.prices, or set max_tokens instead."
            )
        if self.has_ended and not is_batch:
            raise BudgetEndedError(self._sentence)

    @property
    def _is_cost_unknown(self) -> bool:
        return self.max_cost is not None and self._price is None and self._cost_a_token is None

    @property
    def _sentence(self) -> str:
        cost = None if self.max_cost is None else f"${self.max_cost:g}"
        tokens = None if self.max_tokens is None else f"{self.max_tokens:,} tokens"
        return f"The budget of {' and '.join(filter(None, (cost, tokens)))} does not allow another request."

    def _estimate(self, question: Question[Any], is_batch: bool) -> Reservation:
        tokens = self._estimates.of(question)
        cost = cost_of(Usage(1, tokens.prompt, tokens.completion), self._price, is_batch=is_batch)
        if cost is None:
            cost = tokens.total * (self._cost_a_token or 0.0)
        return Reservation(question, tokens.total, cost)

    def _fits(self, wanted: Reservation) -> bool:
        if self._is_cost_unknown and self._n_under_way:
            return False
        tokens = self._charged_tokens + self._reserved_tokens + wanted.tokens
        cost = self._charged_cost + self._reserved_cost + wanted.cost
        return (self.max_tokens is None or tokens <= self.max_tokens) and (
            self.max_cost is None or cost <= self.max_cost
        )

    def _put_aside(self, reservation: Reservation, sign: int) -> None:
        self._n_under_way += sign
        self._reserved_tokens += sign * reservation.tokens
        # Rounding must not add up over a million requests.
        self._reserved_cost = self._reserved_cost + sign * reservation.cost if self._n_under_way else 0.0
