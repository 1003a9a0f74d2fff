"""Parts of a budget: what a request is likely to take, and what is put aside for a feature from begin to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sae_assets.interpretation.asking import Question


@dataclass(frozen=True)
class Amount:
    """Tokens of prompts and answers together, and what they cost."""

    tokens: int = 0
    """Number of tokens."""
    cost: float = 0.0
    """US dollars; 0 where nothing is known of prices."""

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.tokens - other.tokens, self.cost - other.cost)

    def times(self, factor: float) -> Amount:
        """So much of it."""
        return Amount(round(self.tokens * factor), self.cost * factor)

    def at_least(self, other: Amount) -> Amount:
        """The larger number of tokens and the higher cost of the two."""
        return Amount(max(self.tokens, other.tokens), max(self.cost, other.cost))


NOTHING = Amount()


class Foreseen(NamedTuple):
    """What a feature will have to pay for, as far as that can be told before it is begun."""

    questions: Sequence[Question[Any]]
    """What will be asked, more or less in these words."""
    texts: Amount = NOTHING
    """What the texts to embed will take."""


@dataclass
class Allotment:
    """What is put aside for a feature under way: its requests have a right to it."""

    left: Amount
    """What its further requests may take."""
    taken: Amount = NOTHING
    """What its requests took."""


class Reservation(NamedTuple):
    """A request under way, at what it is likely to take."""

    question: Question[Any] | None
    """What is asked; None for texts to embed."""
    amount: Amount
    """Its estimate."""
    allotment: Allotment | None = None
    """The feature's that it belongs to, where one was begun."""
