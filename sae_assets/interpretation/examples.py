"""Which windows the explainer sees and which the explanation is scored on: never the same ones."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple, TypeVar

from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples

T = TypeVar("T")

N_DECILES = 10


@dataclass(frozen=True)
class ExampleSplit:
    """A feature's windows, divided by what they are for. No context and no text is in two of the parts."""

    explaining: tuple[ExampleWindow, ...]
    """Shown to the explainer, strongest first."""
    scoring: tuple[ExampleWindow, ...]
    """Active windows held back for the scorers, strongest first."""
    silent: tuple[ExampleWindow, ...]
    """Windows without any activation, for the scorers; the hard ones first."""
    n_hard: int = 0
    """How many of the silent windows are of the nearest features."""

    def __post_init__(self) -> None:
        windows = (*self.explaining, *self.scoring, *self.silent)
        assert len({window.context_idx for window in windows}) == len(windows), "a context is in two parts of the split"
        assert len({window.text for window in windows}) == len(windows), "a text is in two parts of the split"
        assert all(window.peak == 0 for window in self.silent), "a silent window is active"

    def draw_active(self, n_windows: int, rng: random.Random) -> list[ExampleWindow]:
        """At most this many windows to score on, from each decile of peak activation in turn."""
        return [ranked.window for ranked in across_deciles(self.scoring, rng)[:n_windows]]

    def draw_silent(self, n_windows: int, rng: random.Random) -> list[ExampleWindow]:
        """At most this many silent windows at random; others than hard ones only where these are too few."""
        hard, others = self.silent[: self.n_hard], self.silent[self.n_hard :]
        return [*rng.sample(hard, len(hard)), *rng.sample(others, len(others))][:n_windows]


def split_examples(feature: FeatureExamples, n_explaining: int, n_silent: int) -> ExampleSplit:
    """Divides a feature's windows between explaining and scoring.

    Every subsample gives every other window to either side, so that both see the strongest windows and all magnitude
    bands. The explainer gets at most `n_explaining` and at most half of all (one where there is only one); the rest is
    for scoring. Of silent windows the hard ones are taken first. A window without text, or with a context or text
    already taken, is left out; so is one that is listed as silent and has an activation.
    """
    groups = _distinct(feature.activating)
    n_windows = sum(map(len, groups))
    first_choice = _in_turn(group[::2] for group in groups)
    explaining = first_choice[: min(n_explaining, (n_windows + 1) // 2)]
    taken = {window.context_idx for window in explaining}
    scoring = [window for group in groups for window in group if window.context_idx not in taken]

    active = [window for group in groups for window in group]
    contexts, texts = {window.context_idx for window in active}, {window.text for window in active}
    hard = _unseen(_silent(feature.hard_negatives), contexts, texts)[:n_silent]
    silent = [*hard, *_unseen(_silent(feature.non_activating), contexts, texts)][:n_silent]
    return ExampleSplit(_strongest_first(explaining), _strongest_first(scoring), tuple(silent), len(hard))


class Ranked(NamedTuple):
    """A window and where it stands among the feature's windows."""

    decile: int
    """Tenth of the windows by peak activation: 0 the weakest, 9 the strongest."""
    window: ExampleWindow


def across_deciles(windows: Sequence[ExampleWindow], rng: random.Random) -> list[Ranked]:
    """All windows in an order that takes from each decile of peak activation in turn, at random within a decile."""
    ranked = sorted(windows, key=lambda window: (window.peak, window.context_idx))
    deciles: list[list[Ranked]] = [[] for _ in range(N_DECILES)]
    for rank, window in enumerate(ranked):
        decile = rank * N_DECILES // len(ranked)
        deciles[decile].append(Ranked(decile, window))
    for members in deciles:
        rng.shuffle(members)
    rng.shuffle(deciles)
    return _in_turn(deciles)


def _distinct(groups: Sequence[ExampleGroup]) -> list[list[ExampleWindow]]:
    contexts: set[int] = set()
    texts: set[str] = set()
    return [_unseen((window for window in group.windows if window.peak > 0), contexts, texts) for group in groups]


def _silent(windows: Iterable[ExampleWindow]) -> Iterable[ExampleWindow]:
    return (window for window in windows if window.peak == 0)


def _unseen(windows: Iterable[ExampleWindow], contexts: set[int], texts: set[str]) -> list[ExampleWindow]:
    """Those whose context and text were not seen; both sets grow by what is taken."""
    taken = []
    for window in windows:
        if window.text.strip() and window.context_idx not in contexts and window.text not in texts:
            contexts.add(window.context_idx)
            texts.add(window.text)
            taken.append(window)
    return taken


def _in_turn(groups: Iterable[Sequence[T]]) -> list[T]:
    """The first of each group, then the second of each, until all are taken."""
    wrapped = ([(item,) for item in group] for group in groups)
    return [item for row in zip_longest(*wrapped, fillvalue=()) for cell in row for item in cell]


def _strongest_first(windows: Iterable[ExampleWindow]) -> tuple[ExampleWindow, ...]:
    return tuple(sorted(windows, key=lambda window: (-window.peak, window.context_idx)))
