"""What goes into an interpretation and what comes out of it: windows of text, explanations, scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True, eq=False)
class ExampleWindow:
    """A run of tokens of one context, with the feature's activation at each."""

    context_idx: int
    """The context it is cut from."""
    pieces: tuple[str, ...]
    """Text of each token; they join to the window's text. Tokens that share a character are one piece."""
    activations: Float32[np.ndarray, "piece"]
    """The feature's activation at each piece, 0 where it is silent."""

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.activations):
            raise ValueError(f"{len(self.pieces)} pieces with {len(self.activations)} activations")

    @cached_property
    def text(self) -> str:
        """The window as plain text."""
        return "".join(self.pieces)

    @cached_property
    def peak(self) -> float:
        """Largest activation in the window; 0 where the feature is silent."""
        return float(self.activations.max(initial=0.0))


class ExampleGroup(NamedTuple):
    """The windows of one subsample."""

    name: str
    """Name of the subsample: "top_activations", a magnitude band."""
    windows: Sequence[ExampleWindow]
    """Its windows, strongest first."""


@dataclass(frozen=True)
class FeatureExamples:
    """Everything about a feature that an explainer or a scorer may be shown."""

    index: int
    """The feature's index in its dictionary."""
    max_activation: float
    """Largest activation of the feature in the whole analysis."""
    activating: Sequence[ExampleGroup]
    """Windows in which the feature is active, by subsample."""
    non_activating: Sequence[ExampleWindow]
    """Windows of contexts in which the feature is silent."""
    top_logits: tuple[str, ...] = ()
    """Output tokens that the feature promotes most, the first most of all; empty where not computed."""
    bottom_logits: tuple[str, ...] = ()
    """Output tokens that it suppresses most."""
    hard_negatives: Sequence[ExampleWindow] = ()
    """Windows of the nearest features in which this one is verified to be silent; empty unless asked for."""


class Usage(NamedTuple):
    """What was asked of a model, now or, where the answers came from the cache, when they were asked first."""

    requests: int = 0
    """Requests that were answered."""
    prompt_tokens: int = 0
    """Tokens read by the model, by the answers' usage fields; 0 where the endpoint reports none."""
    completion_tokens: int = 0
    """Tokens written by the model, counted likewise."""
    reread_tokens: int = 0
    """Those of the prompt tokens that the endpoint had in its own cache, which many sell for less."""
    cost: float | None = None
    """What it cost, in US dollars; None where neither the endpoint nor the price table says."""
    n_from_cache: int = 0
    """Those of the requests that this run took from its cache of answers, and did not pay for again."""

    @staticmethod
    def total(parts: Iterable[Usage]) -> Usage:
        """All parts together; what has no known cost adds none."""
        every = list(parts)
        costs = [part.cost for part in every if part.cost is not None]
        return Usage(
            sum(part.requests for part in every),
            sum(part.prompt_tokens for part in every),
            sum(part.completion_tokens for part in every),
            sum(part.reread_tokens for part in every),
            sum(costs) if costs else None,
            sum(part.n_from_cache for part in every),
        )


class Verdict(NamedTuple):
    """What a judge said of one window."""

    context_idx: int
    """The context that the window is cut from."""
    is_positive: bool
    """What a judge with a perfect explanation says."""
    said: bool | None
    """What this one said; None where its answer could not be read."""


class Counts(NamedTuple):
    """How a judge's yes-or-no answers agree with the truth; answers that could not be read are in none of the cells."""

    true_positive: int = 0
    false_positive: int = 0
    true_negative: int = 0
    false_negative: int = 0

    @property
    def n(self) -> int:
        """Windows that were judged."""
        return sum(self)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; None where there are none."""
        return _share(self.true_positive + self.true_negative, self.n)

    @property
    def precision(self) -> float | None:
        """Share of the yes answers that are right; None where the judge never said yes."""
        return _share(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float | None:
        """Share of the positive windows that the judge found; None where there were none."""
        return _share(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """Share of the negative windows that the judge rejected; None where there were none."""
        return _share(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where no window is positive and none was said to be."""
        return _share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and specificity; None unless windows of both kinds were judged. Guessing gives 0.5."""
        if self.recall is None or self.specificity is None:
            return None
        return (self.recall + self.specificity) / 2


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True)
class Score:
    """How well an explanation did by one measure."""

    scorer: str
    """Name of the measure, as in `scorer_type` of the settings."""
    value: float | None
    """The measure's value; None where it could not be taken, for the `reason` given."""
    n: int
    """What the value rests on: windows judged, for simulation tokens."""
    n_unparsable: int
    """Windows whose answer could not be read; they are left out of the value, never guessed."""
    counts: Counts | None
    """The confusion table of a yes-or-no measure, with precision, recall and F1; None where nothing was judged so."""
    prompt_hash: str | None
    """Version of the prompt that was used; None where the endpoint failed."""
    usage: Usage
    """What was asked for this score."""
    reason: str | None = None
    """Why there is no value."""
    verdicts: tuple[Verdict, ...] = ()
    """What the judge said of each window, for yes-or-no measures."""


@dataclass(frozen=True)
class FeatureExplanation:
    """A feature in words, with its scores and the story of how it came about."""

    index: int
    """The feature's index."""
    text: str
    """The explanation."""
    consistency: int
    """How well the examples agree, by the explainer's own judgement: 1 (no pattern) to 5 (no exception)."""
    complexity: int
    """How abstract the feature is, by the explainer's own judgement: 1 (one token) to 5 (a theme of many contexts)."""
    scores: tuple[Score, ...]
    """One for each scorer of the settings, in their order."""
    explainer: str
    """Form of the prompt: "openai", "delphi", "neuronpedia"."""
    model: str
    """The model that answered, as the endpoint names it."""
    prompt_hash: str
    """Version of the explainer's prompt."""
    prompt: str
    """The explainer's whole prompt."""
    answer: str
    """What the model answered, word for word."""
    usage: Usage
    """What was asked in all, scores included."""
    seconds: float
    """Time from the first request to the last answer."""


@dataclass(frozen=True)
class FailedExplanation:
    """A feature that could not be explained; it is tried again on the next run."""

    index: int
    """The feature's index."""
    reason: str
    """One sentence, without secrets."""
    kind: Literal["examples", "answer", "endpoint", "unexpected"]
    """What failed: too few examples, an answer that cannot be read, the endpoint, or something unforeseen."""
    answer: str | None = None
    """What the model answered, word for word, where it cannot be read."""
