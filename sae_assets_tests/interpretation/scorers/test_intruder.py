"""Four windows of the feature and one without it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from sae_assets.interpretation.scorers.intruder import CHANCE
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import coin_flip, plain
from sae_assets_tests.interpretation.llm_server import LLMServer
from sae_assets_tests.interpretation.scorers.conftest import Scored


def test_set_has_four_windows_of_the_feature_and_one_without_in_mixed_order(server: LLMServer, scored: Scored) -> None:
    scored("intruder", word_feature(n_activating=60), intruder_n_sets=10)
    sets = [request.ask.examples for request in server.requests]
    assert len(sets) == 10
    assert all(sum("cat" in example for example in shown) == 4 and len(shown) == 5 for shown in sets)
    assert len({["cat" in example for example in shown].index(False) for shown in sets}) > 2
    every = [plain(example) for shown in sets for example in shown]
    assert len(set(every)) == len(every)


def test_windows_of_a_set_are_of_near_magnitude(server: LLMServer, scored: Scored) -> None:
    feature = word_feature(n_activating=60)
    peak_of = {window.text: window.peak for group in feature.activating for window in group.windows}
    scored("intruder", feature)
    peaks = [
        sorted(peak_of[text] for text in map(plain, request.ask.examples) if text in peak_of)
        for request in server.requests
    ]
    ranges = sorted((of_set[0], of_set[-1]) for of_set in peaks)
    assert all(highest <= lowest for (_, highest), (lowest, _) in pairwise(ranges))


def test_active_tokens_are_marked_and_as_many_of_the_intruder(server: LLMServer, scored: Scored) -> None:
    scored("intruder")
    for request in server.requests:
        marks = [re.findall("<<(.*?)>>", example) for example in request.ask.examples]
        assert [len(of_example) for of_example in marks] == [1] * 5
        assert sorted(mark == " cat" for (mark,) in marks) == [False, True, True, True, True]


def test_no_explanation_is_shown(server: LLMServer, scored: Scored) -> None:
    scored("intruder")
    assert server.requests and not any("the word cat" in request.prompt for request in server.requests)


def test_judge_that_guesses_finds_a_fifth_within_chance(server: LLMServer, scored: Scored) -> None:
    server.judge = coin_flip(4)
    scores = [scored("intruder", word_feature(index)) for index in range(40)]
    n_sets = sum(score.n for score in scores)
    n_found = sum((score.value or 0) * score.n for score in scores)
    assert n_sets == 40 * 3
    assert n_found / n_sets == pytest.approx(CHANCE, abs=3 * (0.2 * 0.8 / n_sets) ** 0.5)


def test_verdicts_tell_which_window_was_taken_for_the_intruder(server: LLMServer, scored: Scored) -> None:
    server.judge = lambda _ask: {"intruder": 2}
    score = scored("intruder")
    assert len(score.verdicts) == 5 * 3
    assert [verdict.said for verdict in score.verdicts] == [True, False, True, True, True] * 3
    found = [verdict for verdict in score.verdicts if verdict.said is False and not verdict.is_positive]
    assert score.value == len(found) / 3


@pytest.mark.parametrize("answer", [0, 6, -1, "first", None, True, 1.5, [1]])
def test_number_that_no_example_has_is_unreadable(server: LLMServer, scored: Scored, answer: Any) -> None:
    server.judge = lambda _ask: {"intruder": answer}
    score = scored("intruder")
    assert (score.value, score.n, score.n_unparsable) == (None, 0, 3)


def test_share_is_of_the_sets_whose_answers_could_be_read(server: LLMServer, scored: Scored) -> None:
    judge = server.judge
    server.judge = lambda ask: {"intruder": 9} if len(server.requests) == 1 else judge(ask)
    score = scored("intruder")
    assert (score.value, score.n, score.n_unparsable) == (1.0, 2, 1)
