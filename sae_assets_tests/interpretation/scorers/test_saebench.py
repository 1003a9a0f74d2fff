"""SAEBench's task of 14 windows."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest

from sae_assets.interpretation.examples import split_examples
from sae_assets.interpretation.scorers.saebench import ALL_NONE_BASELINE, weighted_sample
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import always
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.interpretation.scorers.conftest import Scored


def test_judge_that_selects_none_gets_the_baseline_and_one_that_selects_all_the_rest(
    server: LLMServer, scored: Scored
) -> None:
    server.judge = always(False)
    assert scored("saebench").value == 10 / 14 == ALL_NONE_BASELINE
    server.judge = always(True)
    assert scored("saebench").value == 4 / 14


def test_one_prompt_shows_the_two_strongest_two_more_and_ten_silent_ones(server: LLMServer, scored: Scored) -> None:
    feature = word_feature()
    score = scored("saebench", feature)
    (request,) = server.requests
    split = split_examples(feature, 7, 20)
    shown = request.ask.examples
    assert len(set(shown)) == score.n == 14
    assert {window.text for window in split.scoring[:2]} <= set(shown)
    assert len({window.text for window in split.scoring} & set(shown)) == 4
    assert len({window.text for window in split.silent} & set(shown)) == 10
    assert [verdict.is_positive for verdict in score.verdicts] == ["cat" in example for example in shown]
    assert "<<" not in request.user and '"steps"' not in request.system


def test_judge_is_shown_an_answer_that_tells_nothing(server: LLMServer, scored: Scored) -> None:
    for index in range(5):
        scored("saebench", word_feature(index))
    examples = [re.search(r"like this: \[(.*)\]", request.user) for request in server.requests]
    numbers = [tuple(map(int, found[1].split(","))) for found in examples if found]
    assert len(set(numbers)) > 1
    assert all(len(set(four)) == 4 and set(four) <= set(range(1, 15)) for four in numbers)


@pytest.mark.parametrize("selected", [[0], [15], [1, 2, 99], ["one"], [True], None, 3])
def test_number_that_no_example_has_makes_the_answer_unreadable(
    server: LLMServer, scored: Scored, selected: Any
) -> None:
    server.judge = lambda _ask: {"selected": selected}
    score = scored("saebench")
    assert (score.value, score.n, score.n_unparsable) == (None, 0, 14)
    assert score.reason == "too few of the judge's answers could be read"


def test_number_that_is_given_twice_counts_once(server: LLMServer, scored: Scored) -> None:
    judge = server.judge
    server.judge = lambda ask: {"selected": judge(ask)["selected"] * 2}
    assert scored("saebench").value == 1.0


def test_weights_are_the_squares_of_peaks() -> None:
    windows = [window for group in word_feature(n_activating=3).activating for window in group.windows]
    assert [window.peak for window in windows] == [10, 5, 1]
    drawn = [weighted_sample(windows, 2, random.Random(seed)) for seed in range(1000)]
    assert all(first is not second for first, second in drawn)
    firsts = Counter(first.peak for first, _ in drawn)
    share = 100 / 126
    assert firsts[10] / 1000 == pytest.approx(share, abs=3 * (share * (1 - share) / 1000) ** 0.5)
    of_rest = [second.peak for first, second in drawn if first.peak == 10]
    share = 25 / 26
    assert of_rest.count(5) / len(of_rest) == pytest.approx(share, abs=3 * (share * (1 - share) / len(of_rest)) ** 0.5)
