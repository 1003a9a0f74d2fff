"""The report of a checkpoint's explanations: closed forms, and what holds for any scores."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.bootstrap import bootstrap_mean
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.report import (
    Origin,
    ReportedFeature,
    ReportedScore,
    density_deciles,
    explanation_report,
)
from sae_assets.interpretation.report_text import report_markdown

BY_MODEL = Origin("openai", "judge-2024", "p1", False)
BY_HAND = Origin(None, None, None, True)
scores = st.floats(-1, 1, allow_subnormal=False)


def feature(index: int, density: float = 0.01, origin: Origin = BY_MODEL, **values: float | None) -> ReportedFeature:
    given_scores = [ReportedScore(name, value, 2 if value is None else 0, "s1") for name, value in values.items()]
    return ReportedFeature(index, density, given_scores, 4, 2, origin, Usage(3, 100, 10, 0, 0.5))


def report(*features: ReportedFeature, **failures: int):
    return explanation_report(features, failures, d_sae=100, n_alive=90)


@given(st.lists(scores, min_size=2, max_size=30))
def test_interval_holds_the_mean_and_lies_within_the_values(values):
    mean = bootstrap_mean(np.array(values))
    assert mean is not None and mean.low is not None and mean.high is not None
    assert mean.n == len(values) and mean.value == pytest.approx(sum(values) / len(values))
    assert min(values) - 1e-9 <= mean.low <= mean.high <= max(values) + 1e-9
    assert mean.low - 1e-9 <= mean.value <= mean.high + 1e-9


@given(scores, st.integers(2, 50))
def test_scores_that_are_all_the_same_leave_no_doubt(value, n):
    mean = bootstrap_mean(np.full(n, value))
    assert mean is not None
    assert (mean.value, mean.low, mean.high) == pytest.approx((value, value, value))


def test_interval_is_that_of_the_normal_distribution_for_many_scores():
    values = np.random.default_rng(1).normal(0.7, 0.1, 4000)
    mean = bootstrap_mean(values)
    assert mean is not None and mean.low is not None and mean.high is not None
    assert (mean.high - mean.low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(len(values)), rel=0.1)


def test_interval_is_that_of_the_binomial_distribution_for_yes_and_no():
    mean = bootstrap_mean(np.array([0.0, 1.0]))
    assert mean is not None and (mean.low, mean.high) == (0.0, 1.0)
    assert bootstrap_mean(np.array([1.0] * 10 + [0.0] * 10)) == pytest.approx((20, 0.5, 0.3, 0.7), abs=0.03)


def test_one_score_has_no_interval_and_none_has_no_mean():
    assert bootstrap_mean(np.array([0.25])) == (1, 0.25, None, None)
    assert bootstrap_mean(np.array([])) is None


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]) | st.floats(0, 1), max_size=60))
def test_deciles_hold_every_feature_once_in_the_order_of_density(density):
    parts = density_deciles(np.array(density))
    assert sorted(place for part in parts for place in part) == list(range(len(density)))
    assert len(parts) == min(10, len(density))
    sizes = [len(part) for part in parts]
    assert not sizes or max(sizes) - min(sizes) <= 1
    in_order = [density[place] for part in parts for place in part]
    assert in_order == sorted(density)


def test_means_by_density_follow_the_features_of_each_tenth():
    found = report(*(feature(index, density=index / 100, detection=index // 2 / 10) for index in range(20)))
    (scorer,) = found.scorers
    assert [one.mean.value for one in scorer.by_density] == pytest.approx([place / 10 for place in range(10)])
    assert [(one.mean.low, one.mean.high) for one in scorer.by_density] == [
        pytest.approx((place / 10, place / 10)) for place in range(10)
    ]
    assert (scorer.by_density[3].lowest, scorer.by_density[3].highest) == (0.06, 0.07)


def test_values_are_counted_in_tenths():
    found = report(*(feature(index, detection=value) for index, value in enumerate([0.0, 0.3, 0.35, 0.7, 1.0])))
    histogram = found.scorers[0].histogram
    assert histogram == (0.0, (1, 0, 0, 2, 0, 0, 0, 1, 0, 1))
    assert found.scorers[0].quartiles == (0.0, 0.3, 0.35, 0.7, 1.0)
    below = report(feature(0, simulation=-0.95), feature(1, simulation=1.0)).scorers[0].histogram
    assert below is not None and below.start == -1.0 and below.counts == (1, *[0] * 18, 1)


def test_scores_without_a_value_are_counted_and_not_averaged():
    found = report(feature(0, detection=0.5), feature(1, detection=None), feature(2, fuzzing=None))
    detection, fuzzing = found.scorers
    assert detection.mean == (1, 0.5, None, None)
    assert (detection.n_without_value, detection.n_unparsable) == (1, 2)
    assert (fuzzing.mean, fuzzing.quartiles, fuzzing.histogram, fuzzing.by_density) == (None, (), None, ())


def test_report_counts_what_was_explained_by_whom_and_for_how_much():
    found = report(feature(0, detection=1.0), feature(3), feature(7, origin=BY_HAND), endpoint=2, answer=1)
    assert (found.n_explained, found.n_by_hand, found.n_alive, found.d_sae) == (3, 1, 90, 100)
    assert found.usage == Usage(9, 300, 30, 0, 1.5)
    assert found.failures == {"answer": 1, "endpoint": 2}
    assert found.origins == ((BY_MODEL, 2), (BY_HAND, 1))
    assert (found.consistency, found.complexity) == ({4: 3}, {2: 3})


def test_means_over_unlike_prompts_are_seen_to_be_mixed():
    assert not report(feature(0, detection=1.0), feature(1, detection=0.5), feature(2, origin=BY_HAND)).is_mixed
    other = BY_MODEL._replace(prompt_hash="p2")
    assert report(feature(0), feature(1, origin=other)).is_mixed
    rescored = feature(1)._replace(scores=[ReportedScore("detection", 0.5, 0, "s2")])
    mixed = report(feature(0, detection=1.0), rescored)
    assert mixed.is_mixed and mixed.scorers[0].prompts == {"s1": 1, "s2": 1}
    assert "**Mixed:**" in report_markdown(mixed, "x")


def test_report_does_not_depend_on_the_order_of_features():
    features = [feature(index, density=(index * 7 % 5) / 10, detection=index % 3 / 3) for index in range(25)]
    assert report(*features) == report(*reversed(features))


def test_report_is_json_with_names_for_everything():
    found = report(*(feature(index, detection=index / 10) for index in range(11)), answer=1)
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["scorers"][0]["mean"] == found.scorers[0].mean._asdict()  # pyright: ignore
    assert values["scorers"][0]["by_density"][0]["mean"]["n"] == 2
    assert values["origins"] == [[BY_MODEL._asdict(), 11]]
    assert values["usage"]["cost"] == 5.5 and values["consistency"] == {"4": 11}


def test_markdown_says_the_numbers_in_tables():
    text = report_markdown(report(*(feature(index, detection=0.5) for index in range(20)), endpoint=3), "Explanations")
    assert text.startswith("# Explanations\n\n20 of 100 features (90 alive) are explained; 3 could not be")
    assert "They took 60 requests, 2,000 tokens of prompts and 200 of answers, $10.00." in text
    assert "| detection | 20 | 0.500 (0.500 to 0.500) | 0.50 / 0.50 / 0.50 / 0.50 / 0.50 | 0 | 0 |" in text
    assert text.count("| 0.01 to 0.01 | 2 | 0.500 (0.500 to 0.500) |") == 10
    assert "| openai | judge-2024 | p1 | 20 |" in text and "Mixed" not in text


def test_markdown_of_nothing_is_short():
    assert report_markdown(report(), "x").splitlines()[2] == "0 of 100 features (90 alive) are explained."
