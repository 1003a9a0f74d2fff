"""Simulated activations and their correlation with the true ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.scorers.simulation import correlation
from sae_assets_tests.interpretation.features import word_feature
from sae_assets_tests.interpretation.judges import coin_flip, oracle
from sae_assets_tests.interpretation.llm_server import LLMServer, content
from sae_assets_tests.interpretation.scorers.conftest import Scored

LEVELS = st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1e30)), max_size=30)


def test_correlation_is_over_the_tokens_of_all_windows(server: LLMServer, scored: Scored) -> None:
    feature = word_feature()
    server.judge = oracle(feature)
    score = scored("simulation", feature, simulation_n_examples=3)
    assert (score.n, score.usage.requests) == (6 * 12, 6)
    assert sum("cat" in request.user.partition("\n")[2] for request in server.requests) == 3


def test_simulator_that_guesses_has_no_correlation_within_chance(server: LLMServer, scored: Scored) -> None:
    server.judge = coin_flip(2)
    score = scored("simulation", simulation_n_examples=10)
    assert score.value == pytest.approx(0, abs=3 / score.n**0.5)


def test_window_whose_answer_has_not_one_level_a_token_is_left_out(server: LLMServer, scored: Scored) -> None:
    feature = word_feature()
    server.judge = oracle(feature)
    server.faults = [content("hm"), content('{"activations": [1]}'), content(f'{{"activations": {[11.0] * 12}}}')]
    score = scored("simulation", feature)
    assert (score.n, score.n_unparsable) == (7 * 12, 3)
    assert score.value == pytest.approx(1.0)


def test_constant_simulation_has_no_correlation(server: LLMServer, scored: Scored) -> None:
    server.judge = lambda ask: {"activations": [3.0] * len(ask.examples)}
    score = scored("simulation")
    assert (score.value, score.reason) == (None, "the judge predicted the same for every token")


def test_silent_windows_alone_have_no_correlation(server: LLMServer, scored: Scored) -> None:
    server.fault_for = lambda request: content("hm") if "cat" in request.user.partition("\n")[2] else None
    server.judge = coin_flip(2)
    score = scored("simulation")
    reason = "the activations do not vary over the windows whose answers could be read"
    assert (score.value, score.n_unparsable, score.reason) == (None, 5, reason)


def test_correlation_is_pearsons() -> None:
    assert correlation([0, 5, 10], [0, 1, 2]) == pytest.approx(1.0)
    assert correlation([10, 5, 0], [0, 1, 2]) == pytest.approx(-1.0)
    assert correlation([0, 10, 0, 10], [0, 0, 1, 1]) == pytest.approx(0.0)
    assert correlation([], []) is None


@given(LEVELS)
def test_correlation_of_anything_is_from_minus_one_to_one_or_none(pairs: list[tuple[float, float]]) -> None:
    value = correlation([level for level, _ in pairs], [activation for _, activation in pairs])
    assert value is None or -1 <= value <= 1
