"""What came of a run that explains features, and how a person is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from sae_assets.interpretation.amounts import dollars, tokens_of
from sae_assets.interpretation.records import FailedExplanation, Usage


@dataclass(frozen=True)
class InterpretationReport:
    """What came of a run."""

    n_explained: int
    """Features that were explained now."""
    n_kept: int
    """Features whose explanation was there already and was kept."""
    failures: tuple[FailedExplanation, ...]
    """Features that could not be explained; the next run tries them again."""
    n_remaining: int = 0
    """Features that the budget did not reach; the next run goes on with them."""
    spent: Usage = field(default=Usage(), compare=False)
    """What the run paid for."""
    saved: Usage = field(default=Usage(), compare=False)
    """What it took from the cache of answers, at what it took when it was asked first."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""
    ended_budget: str | None = None
    """The limit that ended the run, in words; None where none did."""

    @property
    def has_budget_ended(self) -> bool:
        """Whether the run ended with its budget."""
        return self.ended_budget is not None

    @property
    def sentence(self) -> str:
        """The report as a person reads it."""
        if not (self.n_explained or self.n_kept or self.failures or self.n_remaining):
            return "0 features explained, as `features` selects none."
        kept = f", {self.n_kept:,} {_were(self.n_kept)} there already" if self.n_kept else ""
        saved = f", {_count(self.saved.requests, 'answer')} came from the cache" if self.saved.requests else ""
        parts = [f"{_count(self.n_explained, 'feature')} explained{self._price}{kept}{saved}"]
        if self.ended_budget is not None:
            remain = f"{self.n_remaining:,} remain{'s' if self.n_remaining == 1 else ''}"
            advice = "run it again to go on" if self.n_explained else "give it a higher one"
            parts.append(f"the budget of {self.ended_budget} ended: {remain}, {advice}")
        if not self.failures:
            return f"{'; '.join(parts)}."
        first = self.failures[0]
        parts.append(f"{len(self.failures):,} could not be, the first of them feature {first.index}: {first.reason}")
        return "; ".join(parts)

    @property
    def _price(self) -> str:
        tokens = f"{tokens_of(self.spent):,} tokens"
        if self.spent.cost is not None:
            return f" for {dollars(self.spent.cost)} ({tokens})"
        return f" with {tokens}" if tokens_of(self.spent) else ""


def budget_in_words(max_cost: float | None, max_tokens: int | None) -> str:
    """The limits of a run: "$0.10", "5,000 tokens", or both."""
    cost = [] if max_cost is None else [dollars(max_cost)]
    tokens = [] if max_tokens is None else [f"{max_tokens:,} tokens"]
    return " or ".join(cost + tokens)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _were(n: int) -> str:
    return "was" if n == 1 else "were"
