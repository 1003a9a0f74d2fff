"""What holds for every scorer: the scores of judges with known results, and what a judge is shown."""

from __future__ import annotations

import random
from statistics import mean

import numpy as np
import pytest

from sae_assets.interpretation.examples import split_examples
from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples
from sae_assets.interpretation.scorers import SCORERS, scorers_of
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import always, coin_flip, oracle, plain
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.interpretation.scorers.conftest import Scored

OF_VERDICTS = ["detection", "fuzzing", "saebench"]
"""Scorers whose judge says yes or no of each window."""


def scattered_feature(index: int) -> FeatureExamples:
    """Active on one to four tokens of a window, anywhere and at any level."""
    rng = random.Random(f"scattered {index}")

    def window(context_idx: int, n_active: int) -> ExampleWindow:
        activations = np.zeros(rng.randint(9, 20), dtype=np.float32)
        for position in rng.sample(range(len(activations)), n_active):
            activations[position] = rng.uniform(0.01, 5)
        pieces = tuple(f" c{context_idx}t{position}" for position in range(len(activations)))
        return ExampleWindow(context_idx, pieces, activations)

    active = sorted((window(number, rng.randint(1, 4)) for number in range(24)), key=lambda one: -one.peak)
    silent = [window(100 + number, 0) for number in range(20)]
    groups = [ExampleGroup("top_activations", active[:12]), ExampleGroup("middle", active[12:])]
    return FeatureExamples(index, max(one.peak for one in active), groups, silent)


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("feature", [word_feature(), scattered_feature(0), scattered_feature(1)])
def test_judge_that_knows_gets_one(server: LLMServer, scored: Scored, scorer: str, feature: FeatureExamples) -> None:
    server.judge = oracle(feature)
    score = scored(scorer, feature)
    assert score.value == pytest.approx(1.0, abs=1e-6)
    assert (score.n_unparsable, score.reason) == (0, None)
    if scorer in OF_VERDICTS:
        assert score.counts is not None
        assert score.counts.precision == score.counts.recall == score.counts.f1 == score.counts.accuracy == 1.0


@pytest.mark.parametrize("scorer", sorted(set(SCORERS) - {"simulation"}))
def test_judge_that_reads_the_word_gets_one(scored: Scored, scorer: str) -> None:
    assert scored(scorer).value == 1.0


@pytest.mark.parametrize("scorer", OF_VERDICTS)
@pytest.mark.parametrize("verdict", [True, False])
def test_judge_that_always_says_the_same_gets_a_half(
    server: LLMServer, scored: Scored, scorer: str, verdict: bool
) -> None:
    server.judge = always(verdict)
    score = scored(scorer)
    assert score.counts is not None
    assert score.counts.balanced_accuracy == 0.5
    assert score.counts.recall == (1.0 if verdict else 0.0)
    if scorer != "saebench":
        assert score.value == 0.5


@pytest.mark.parametrize("scorer", OF_VERDICTS)
def test_judge_that_guesses_gets_a_half_within_chance(server: LLMServer, scored: Scored, scorer: str) -> None:
    server.judge = coin_flip(1)
    tables = [scored(scorer, word_feature(index)).counts for index in range(30)]
    values = [counts.balanced_accuracy for counts in tables if counts and counts.balanced_accuracy is not None]
    assert len(values) == 30
    n_positive, n_negative = (4, 10) if scorer == "saebench" else (5, 5)
    standard_error = (0.25 / n_positive + 0.25 / n_negative) ** 0.5 / 2 / 30**0.5
    assert mean(values) == pytest.approx(0.5, abs=3 * standard_error)


@pytest.mark.parametrize("scorer", SCORERS)
def test_answers_that_cannot_be_read_are_counted_and_not_guessed(
    server: LLMServer, scored: Scored, scorer: str
) -> None:
    server.fault_for = lambda _request: content("I would say the second one.")
    score = scored(scorer)
    assert (score.value, score.n) == (None, 0)
    assert score.n_unparsable == {"saebench": 14, "intruder": 3}.get(scorer, 10)
    assert score.reason == "too few of the judge's answers could be read"
    assert all(verdict.said is None for verdict in score.verdicts)
    assert score.usage.requests == len(server.requests)


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("include_cot", [True, False])
def test_no_scorer_shows_a_window_that_explains(
    server: LLMServer, scored: Scored, scorer: str, include_cot: bool
) -> None:
    feature = scattered_feature(3)
    split = split_examples(feature, 7, 20)
    server.judge = oracle(feature)
    scored(scorer, feature, n_activating_examples=7, include_cot=include_cot)
    asks = [request.ask for request in server.requests]
    assert {ask.kind for ask in asks} == {scorer}
    shown = {plain(example) for ask in asks for example in ask.examples}
    shown |= {"".join(ask.examples) for ask in asks}
    assert shown & {window.text for window in split.scoring}
    assert not shown & {window.text for window in split.explaining}


@pytest.mark.parametrize("scorer", SCORERS)
def test_feature_is_scored_in_the_same_words_in_every_run(server: LLMServer, scored: Scored, scorer: str) -> None:
    first, second = scored(scorer), scored(scorer)
    prompts = [request.prompt for request in server.requests]
    assert prompts[: len(prompts) // 2] == prompts[len(prompts) // 2 :]
    assert first == second


@pytest.mark.parametrize(
    ("scorer", "n_activating", "n_silent", "reason"),
    [
        ("detection", 20, 0, "there are no negative windows to score on"),
        ("detection", 1, 20, "there are no positive windows to score on"),
        ("fuzzing", 2, 20, "there are no negative windows to score on"),
        ("fuzzing", 0, 20, "there are no positive windows to score on"),
        ("simulation", 1, 20, "there are no positive windows to score on"),
        ("intruder", 7, 20, "a set needs 4 active windows and a silent one; there are 3 and 20 to score on"),
        ("intruder", 20, 0, "a set needs 4 active windows and a silent one; there are 13 and 0 to score on"),
        ("saebench", 6, 20, "it takes 4 active windows and 10 silent ones; there are 3 and 10 to score on"),
        ("saebench", 20, 9, "it takes 4 active windows and 10 silent ones; there are 13 and 9 to score on"),
    ],
)
def test_score_without_windows_is_none_with_a_reason_and_asks_nothing(
    server: LLMServer, scored: Scored, scorer: str, n_activating: int, n_silent: int, reason: str
) -> None:
    score = scored(scorer, word_feature(n_activating=n_activating, n_silent=n_silent))
    assert (score.value, score.n, score.reason) == (None, 0, reason)
    assert server.requests == []


def test_generation_is_refused_by_name_and_an_unknown_scorer_by_its_nearest() -> None:
    with pytest.raises(UserError, match=r"'generation'.*use some of detection, fuzzing, intruder, simulation, saebe"):
        scorers_of(AutoInterpConfig(scorer_type=["detection", "generation"]))
    with pytest.raises(ValueError, match=r"fuzzing"):
        AutoInterpConfig(scorer_type=["fuzing"])  # type: ignore[list-item]


def test_scorers_are_taken_once_in_the_order_of_the_settings() -> None:
    assert list(scorers_of(AutoInterpConfig(scorer_type=["fuzzing", "detection", "fuzzing"]))) == [
        "fuzzing",
        "detection",
    ]
