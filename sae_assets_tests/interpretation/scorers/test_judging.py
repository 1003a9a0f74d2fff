"""Verdicts five a prompt: what detection shows, what is counted, and the fuzzing marks."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.examples import across_deciles, split_examples
from sae_assets.interpretation.marking import is_strong
from sae_assets.interpretation.records import Counts, ExampleWindow, Verdict
from sae_assets.interpretation.scorers.fuzzing import deal, marked_rightly, marked_wrongly
from sae_assets.interpretation.scorers.judging import counted
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import coin_flip, plain
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.interpretation.scorers.conftest import Scored


def test_judge_sees_five_windows_a_prompt_in_mixed_order(server: LLMServer, scored: Scored) -> None:
    scored("detection")
    asks = [request.ask for request in server.requests]
    assert [len(ask.examples) for ask in asks] == [5, 5]
    assert all(0 < sum("cat" in example for example in ask.examples) < 5 for ask in asks)


@pytest.mark.parametrize("scorer", ["detection", "fuzzing"])
def test_verdicts_tell_what_was_said_of_which_window(server: LLMServer, scored: Scored, scorer: str) -> None:
    server.judge = coin_flip(3)
    feature = word_feature()
    score = scored(scorer, feature)
    of_context = {window.context_idx: window for group in feature.activating for window in group.windows}
    of_context |= {window.context_idx: window for window in feature.non_activating}
    shown = [example for request in server.requests for example in request.ask.examples]
    assert [of_context[verdict.context_idx].text for verdict in score.verdicts] == [plain(text) for text in shown]
    for verdict, text in zip(score.verdicts, shown, strict=True):
        window = of_context[verdict.context_idx]
        assert verdict.is_positive == ("<< cat>>" in text if scorer == "fuzzing" else window.peak > 0)
    rng = random.Random(3)
    assert [verdict.said for verdict in score.verdicts] == [rng.random() < 0.5 for _ in shown]
    assert score.counts == counted(score.verdicts)


@pytest.mark.parametrize("answer", ["hm", '{"steps": [], "verdicts": [true, true, true, true]}'])
def test_score_rests_on_the_answers_that_could_be_read(server: LLMServer, scored: Scored, answer: str) -> None:
    server.faults = [content(answer)]
    score = scored("detection")
    assert (score.value, score.n, score.n_unparsable) == (1.0, 5, 5)
    assert [verdict.said is None for verdict in score.verdicts] == [True] * 5 + [False] * 5


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None]))))
def test_cells_count_each_readable_verdict_once(pairs: list[tuple[bool, bool | None]]) -> None:
    counts = counted(Verdict(0, is_positive, said) for is_positive, said in pairs)
    readable = [(is_positive, said) for is_positive, said in pairs if said is not None]
    assert counts.n == len(readable)
    assert counts.true_positive + counts.true_negative == sum(a == b for a, b in readable)
    assert counts.true_positive + counts.false_positive == sum(said for _, said in readable)


def test_measures_without_a_ground_are_none() -> None:
    assert Counts().balanced_accuracy is None
    assert Counts(false_negative=3).precision is None
    assert Counts(2, 1, 3, 2).f1 == pytest.approx(2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4))
    assert Counts(2, 1, 3, 2).balanced_accuracy == pytest.approx((2 / 4 + 3 / 4) / 2)


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
        assert plain(text) == window.text


def test_fuzzing_keeps_to_the_limits_of_each_decile() -> None:
    windows = split_examples(word_feature(n_activating=140), 40, 0).scoring
    rng = random.Random(0)
    ranked = across_deciles(windows, rng)
    decile_of = {r.window.context_idx: r.decile for r in ranked}
    trials = deal(ranked, 30, {True: 3, False: 2}, rng)
    for decile in range(10):
        members = [trial for trial in trials if decile_of[trial.context_idx] == decile]
        assert sum(trial.is_positive for trial in members) == 3
        assert sum(not trial.is_positive for trial in members) == 2
    few = deal(ranked, 4, {True: 3, False: 2}, rng)
    assert [sum(trial.is_positive for trial in few), len(few)] == [4, 8]
