"""How long work tells its caller how far it is; what the terminal and the Dagster run page do with it is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Step(NamedTuple):
    """One report of progress."""

    what: str
    """What is being done, as a person reads it: "activations"."""
    done: int
    """How many units are done; the first report of a piece of work has 0."""
    total: int | None
    """How many there are, None where that is not known."""
    unit: str
    """What is counted: "tokens", "chunks", "features"."""
    note: str = ""
    """What else a person wants to know: what it cost so far."""


Progress = Callable[[Step], None]
"""Takes each report; called often, so a receiver limits its own rate."""


def silent(_step: Step) -> None:
    """The progress of work that nobody watches."""
