"""Scores of judges with known results."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.examples import across_deciles, split_examples
from sae_assets.interpretation.marking import is_strong
from sae_assets.interpretation.records import Counts, ExampleWindow, FeatureExamples, Score
from sae_assets.interpretation.scorers import SCORERS, Task, scorers_named
from sae_assets.interpretation.scorers.fuzzing import deal, marked_rightly, marked_wrongly
from sae_assets.interpretation.scorers.simulation import correlation
from sae_assets.settings import UserError
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import Ask, always, coin_flip
from sae_assets_tests.interpretation.llm_server import LLMServer, content


def scored(
    scorer: str, server: LLMServer, config: Config, feature: FeatureExamples | None = None, **fields: Any
) -> Score:
    cfg = config(**fields)
    feature = feature or word_feature()
    split = split_examples(feature, cfg.n_activating_examples, cfg.n_non_activating_examples)
    with LLMClient(cfg, first_wait=0.01) as client:
        return SCORERS[scorer](Task(feature.index, feature.max_activation, "the word cat", split, cfg), client)


@pytest.mark.parametrize("scorer", ["detection", "fuzzing"])
def test_judge_that_knows_gets_one(server: LLMServer, config: Config, scorer: str) -> None:
    score = scored(scorer, server, config)
    assert score.value == 1.0
    assert score.counts is not None and score.counts == Counts(5, 0, 5, 0)
    assert (score.n, score.n_unparsable, score.usage.requests) == (10, 0, 2)
    counts = score.counts
    assert counts.precision == counts.recall == counts.f1 == counts.accuracy == 1.0


def test_simulator_that_knows_the_levels_gets_one(server: LLMServer, config: Config) -> None:
    feature = word_feature()
    levels = {w.text: w.activations.tolist() for group in feature.activating for w in group.windows}

    def judge(ask: Ask) -> dict[str, Any]:
        return {"activations": levels.get("".join(ask.examples), [0.0] * len(ask.examples))}

    server.judge = judge
    score = scored("simulation", server, config, feature)
    assert score.value == pytest.approx(1.0)
    assert score.n == 10 * 12


@pytest.mark.parametrize("scorer", ["detection", "fuzzing"])
@pytest.mark.parametrize("verdict", [True, False])
def test_judge_that_always_says_the_same_gets_a_half(
    server: LLMServer, config: Config, scorer: str, verdict: bool
) -> None:
    server.judge = always(verdict)
    score = scored(scorer, server, config)
    assert score.value == 0.5
    assert score.counts is not None and score.counts.recall == (1.0 if verdict else 0.0)


def test_judge_that_guesses_gets_a_half_within_chance(server: LLMServer, config: Config) -> None:
    server.judge = coin_flip(1)
    feature = word_feature(n_activating=60, n_silent=50)
    score = scored("detection", server, config, feature, detection_n_examples=50, n_non_activating_examples=50)
    assert score.n == 100
    # Three standard errors of the mean of two shares of 50 each.
    assert score.value == pytest.approx(0.5, abs=3 * 0.5 / (2 * 50) ** 0.5)


@pytest.mark.parametrize("scorer", ["detection", "fuzzing", "simulation"])
def test_unreadable_answers_are_counted_and_not_guessed(server: LLMServer, config: Config, scorer: str) -> None:
    server.faults = [content("hm"), content('{"verdicts": [true], "activations": [1]}')]
    score = scored(scorer, server, config)
    if scorer == "simulation":
        assert (score.n, score.n_unparsable) == (8 * 12, 2)
    else:
        assert (score.value, score.n, score.n_unparsable) == (None, 0, 10)
        assert score.reason == "too few of the judge's answers could be read"


def test_score_rests_on_the_answers_that_could_be_read(server: LLMServer, config: Config) -> None:
    server.faults = [content("hm")]
    score = scored("detection", server, config)
    assert (score.value, score.n, score.n_unparsable) == (1.0, 5, 5)


@pytest.mark.parametrize(
    ("scorer", "feature", "reason"),
    [
        ("detection", word_feature(n_silent=0), "there are no negative windows to score on"),
        ("detection", word_feature(n_activating=1), "there are no positive windows to score on"),
        ("fuzzing", word_feature(n_activating=2), "there are no negative windows to score on"),
        ("fuzzing", word_feature(n_activating=0), "there are no positive windows to score on"),
        ("simulation", word_feature(n_activating=1), "there are no positive windows to score on"),
    ],
)
def test_score_without_windows_is_none_with_a_reason_and_asks_nothing(
    server: LLMServer, config: Config, scorer: str, feature: FeatureExamples, reason: str
) -> None:
    score = scored(scorer, server, config, feature)
    assert (score.value, score.reason) == (None, reason)
    assert server.requests == []


def test_constant_simulation_has_no_correlation(server: LLMServer, config: Config) -> None:
    server.judge = lambda ask: {"activations": [3.0] * len(ask.examples)}
    score = scored("simulation", server, config)
    assert (score.value, score.reason) == (None, "the judge predicted the same for every token")


def test_judge_sees_five_windows_a_prompt_in_mixed_order_and_the_same_in_every_run(
    server: LLMServer, config: Config
) -> None:
    scored("detection", server, config)
    scored("detection", server, config)
    prompts = [request.user for request in server.requests]
    assert prompts[:2] == prompts[2:]
    asks = [request.ask for request in server.requests[:2]]
    assert [len(ask.examples) for ask in asks] == [5, 5]
    assert all(0 < sum("cat" in example for example in ask.examples) < 5 for ask in asks)


def test_no_scorer_shows_a_window_that_explains(server: LLMServer, config: Config) -> None:
    feature = word_feature()
    split = split_examples(feature, 7, 20)
    for scorer in SCORERS:
        scored(scorer, server, config, feature, n_activating_examples=7)
    shown = {_plain(example) for request in server.requests for example in request.ask.examples}
    shown |= {"".join(request.ask.examples) for request in server.requests if request.ask.kind == "simulation"}
    assert shown & {window.text for window in split.scoring}
    assert not shown & {window.text for window in split.explaining}


def _plain(example: str) -> str:
    return re.sub("<<|>>", "", example)


def test_fuzzing_moves_as_many_marks_to_other_tokens() -> None:
    window = ExampleWindow(0, (" a", " b", " c", " d", " e"), np.array([10, 2, 3, 0, 0], dtype=np.float32))
    assert marked_rightly(window) == "<< a>> b<< c>> d e"
    assert marked_wrongly(window, random.Random(0)) == " a b c<< d e>>"


def test_window_that_is_active_nearly_everywhere_cannot_be_marked_wrongly() -> None:
    window = ExampleWindow(0, (" a", " b", " c"), np.array([10, 9, 0], dtype=np.float32))
    assert marked_wrongly(window, random.Random(0)) is None


@given(st.lists(st.integers(0, 10), min_size=2, max_size=20), st.integers(0, 100))
def test_wrong_marks_are_as_many_as_the_right_ones_and_on_none_of_them(levels: list[int], seed: int) -> None:
    pieces = tuple(f"w{number}." for number in range(len(levels)))
    window = ExampleWindow(0, pieces, np.array(levels, dtype=np.float32))
    text = marked_wrongly(window, random.Random(seed))
    right = {pieces[at] for at in np.flatnonzero(is_strong(window, 0.3))}
    if text is None:
        assert len(right) > len(pieces) - len(right)
    else:
        wrong = re.findall(r"w\d+\.", "".join(re.findall("<<(.*?)>>", text)))
        assert len(wrong) == len(right) and not set(wrong) & right
        assert _plain(text) == window.text


def test_fuzzing_keeps_to_the_limits_of_each_decile() -> None:
    windows = split_examples(word_feature(n_activating=140), 40, 0).scoring
    rng = random.Random(0)
    ranked = across_deciles(windows, rng)
    decile_of = {_plain(r.window.text): r.decile for r in ranked}
    trials = deal(ranked, 30, {True: 3, False: 2}, rng)
    for decile in range(10):
        members = [trial for trial in trials if decile_of[_plain(trial.text)] == decile]
        assert sum(trial.is_positive for trial in members) == 3
        assert sum(not trial.is_positive for trial in members) == 2
    few = deal(ranked, 4, {True: 3, False: 2}, rng)
    assert [sum(trial.is_positive for trial in few), len(few)] == [4, 8]


def test_correlation_is_pearsons() -> None:
    assert correlation([0, 5, 10], [0, 1, 2]) == pytest.approx(1.0)
    assert correlation([10, 5, 0], [0, 1, 2]) == pytest.approx(-1.0)
    assert correlation([], []) is None


def test_measures_without_a_ground_are_none() -> None:
    assert Counts().balanced_accuracy is None
    assert Counts(false_negative=3).precision is None
    assert Counts(2, 1, 3, 2).f1 == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert Counts(2, 1, 3, 2).balanced_accuracy == pytest.approx((2 / 4 + 3 / 4) / 2)


def test_generation_is_refused_by_name_and_an_unknown_scorer_by_its_nearest() -> None:
    with pytest.raises(UserError, match=r"'generation'.*use some of detection, fuzzing, simulation"):
        scorers_named(["detection", "generation"])
    with pytest.raises(UserError, match=r"'fuzing'.*nearest is 'fuzzing'"):
        scorers_named(["fuzing"])
    assert list(scorers_named(["fuzzing", "detection", "fuzzing"])) == ["fuzzing", "detection"]
