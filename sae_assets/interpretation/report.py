"""A checkpoint's explanations in numbers: each score's mean and spread, by density, and what all of them took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from sae_assets.interpretation.bootstrap import Mean, bootstrap_mean
from sae_assets.interpretation.records import Usage

N_DECILES = 10
BINS_A_UNIT = 10
"""Bins of a histogram from a score of 0 to 1."""


class ReportedScore(NamedTuple):
    """A score of one explanation."""

    scorer: str
    """Name of the measure."""
    value: float | None
    """Its value; None where it came to none."""
    n_unparsable: int
    """Windows whose answer could not be read."""
    prompt_hash: str | None
    """Version of its prompt, where it is known."""


class Origin(NamedTuple):
    """How an explanation was made. A mean over several of these is one over unlike things."""

    explainer: str | None
    """Form of the prompt; None where a person wrote."""
    model: str | None
    """The model that answered; None where a person wrote."""
    prompt_hash: str | None
    """Version of the explainer's prompt, where it is known."""
    is_by_hand: bool
    """Whether a person wrote it."""


class ReportedFeature(NamedTuple):
    """An explained feature, as far as the report needs it."""

    index: int
    """The feature's index."""
    density: float
    """Share of the analysed tokens on which it is active."""
    scores: Sequence[ReportedScore]
    """How its explanation did."""
    consistency: int | None
    """How well its examples agree, 1 to 5."""
    complexity: int | None
    """How abstract it is, 1 to 5."""
    origin: Origin
    """How the explanation was made."""
    usage: Usage
    """What it took."""


class DensityDecile(NamedTuple):
    """A tenth of the scored features, by density."""

    lowest: float
    """Smallest density in it."""
    highest: float
    """Largest density in it."""
    mean: Mean
    """Mean of their scores."""


class Histogram(NamedTuple):
    """Scores in bins of a tenth; each bin is half-open, the last one whole."""

    start: float
    """Lower edge of the first bin: 0, or -1 for a measure that went below."""
    counts: tuple[int, ...]
    """Scores in each bin, up to 1."""


@dataclass(frozen=True)
class ScorerReport:
    """One measure over all explanations."""

    scorer: str
    """Name of the measure."""
    mean: Mean | None
    """Mean over the features that have a value; None where none has."""
    n_without_value: int
    """Features whose score came to no value."""
    n_unparsable: int
    """Windows whose answers could not be read, over all features; no value rests on them."""
    quartiles: tuple[float, ...]
    """Smallest value, lower quartile, median, upper quartile, largest value; empty where there is no value."""
    histogram: Histogram | None
    """How the values are spread; None where there is no value."""
    by_density: tuple[DensityDecile, ...]
    """From the rarest features to the most frequent; fewer than ten where there are fewer features."""
    prompts: dict[str, int]
    """Features by version of the scorer's prompt: several here mean that unlike scores were averaged."""


@dataclass(frozen=True)
class ExplanationReport:
    """All explanations of an analysis that count."""

    d_sae: int
    """Features of the checkpoint."""
    n_alive: int
    """Those that activate on some analysed token."""
    n_explained: int
    """Those with an explanation."""
    n_by_hand: int
    """Those whose explanation a person wrote."""
    scorers: tuple[ScorerReport, ...]
    """Each measure, in alphabetical order."""
    consistency: dict[int, int]
    """Features by the explainer's own judgement of how well examples agree, 1 to 5."""
    complexity: dict[int, int]
    """Features by the explainer's own judgement of how abstract they are, 1 to 5."""
    origins: tuple[tuple[Origin, int], ...]
    """Features by how their explanation was made, the most frequent way first."""
    usage: Usage
    """What the explanations took in all, those from the cache as when they were asked first."""
    failures: dict[str, int]
    """Features that could not be explained, by what failed."""

    @property
    def is_mixed(self) -> bool:
        """Whether models' explanations of several kinds, or scores by several versions of a prompt, are together."""
        by_models = [origin for origin, _ in self.origins if not origin.is_by_hand]
        return len(by_models) > 1 or any(len(one.prompts) > 1 for one in self.scorers)

    def to_json(self) -> dict[str, Any]:
        """As values that JSON can hold; named records become objects."""
        return _plain(asdict(self))


def explanation_report(
    features: Iterable[ReportedFeature], failures: Mapping[str, int], *, d_sae: int, n_alive: int
) -> ExplanationReport:
    """The report; it depends on the features and not on their order.

    Args:
        failures: features that could not be explained, by what failed.
    """
    every = sorted(features, key=lambda feature: feature.index)
    origins = Counter(feature.origin for feature in every)
    scorers = sorted({score.scorer for feature in every for score in feature.scores})
    return ExplanationReport(
        d_sae=d_sae,
        n_alive=n_alive,
        n_explained=len(every),
        n_by_hand=sum(n for origin, n in origins.items() if origin.is_by_hand),
        scorers=tuple(_of_scorer(scorer, every) for scorer in scorers),
        consistency=_counted(feature.consistency for feature in every),
        complexity=_counted(feature.complexity for feature in every),
        origins=tuple(origins.most_common()),
        usage=Usage.total(feature.usage for feature in every),
        failures=dict(sorted(failures.items())),
    )


def density_deciles(density: Float64[np.ndarray, "feature"]) -> list[Int64[np.ndarray, "member"]]:
    """Places of the features of each tenth by density, rarest first; equal densities go by place.

    Together they hold every feature once, and differ in size by one at the most.
    """
    order = np.argsort(density, kind="stable")
    return [part for part in np.array_split(order, N_DECILES) if len(part)]


def _of_scorer(scorer: str, features: Sequence[ReportedFeature]) -> ScorerReport:
    given = [(feature, score) for feature in features for score in feature.scores if score.scorer == scorer]
    valued = [(feature.density, score.value) for feature, score in given if score.value is not None]
    density, values = np.array(valued, np.float64).reshape(-1, 2).T
    return ScorerReport(
        scorer=scorer,
        mean=bootstrap_mean(values),
        n_without_value=len(given) - len(valued),
        n_unparsable=sum(score.n_unparsable for _, score in given),
        quartiles=tuple(np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()) if valued else (),
        histogram=_histogram(values) if valued else None,
        by_density=tuple(_decile(density[part], values[part]) for part in density_deciles(density)),
        prompts=dict(Counter(score.prompt_hash for _, score in given if score.prompt_hash is not None)),
    )


def _decile(density: Float64[np.ndarray, "member"], values: Float64[np.ndarray, "member"]) -> DensityDecile:
    mean = bootstrap_mean(values)
    assert mean is not None
    return DensityDecile(float(density.min()), float(density.max()), mean)


def _histogram(values: Float64[np.ndarray, "value"]) -> Histogram:
    first = -BINS_A_UNIT if values.min() < 0 else 0
    edges = np.arange(first, BINS_A_UNIT + 1) / BINS_A_UNIT
    return Histogram(first / BINS_A_UNIT, tuple(np.histogram(values.clip(-1, 1), edges)[0].tolist()))


def _counted(ratings: Iterable[int | None]) -> dict[int, int]:
    found = Counter(rating for rating in ratings if rating is not None)
    return dict(sorted(found.items()))


def _plain(value: Any) -> Any:
    """Named tuples as objects; `asdict` leaves them as they are."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())  # pyright: ignore[reportAttributeAccessIssue]
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
