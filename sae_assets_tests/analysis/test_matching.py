"""Features are paired as the greedy pairing of all cosines pairs them; each live feature has one place in the list."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis import matching as module
from sae_assets.analysis.changes import CHANGES, LEAST_COSINE, NO_FEATURE, FeatureChanges, Pairs
from sae_assets.analysis.matching import TrainedFeatures, feature_changes, live_pairs, nearest_pairs
from sae_assets.engine.progress import Step
from sae_assets_tests.analysis.test_geometry import axis_vectors, cosines

N = NO_FEATURE


def greedy(first: torch.Tensor, second: torch.Tensor) -> dict[int, int]:
    """Pairs of at least `LEAST_COSINE`, always the nearest that is left, ties to the smaller indices."""
    table = cosines(first.double().numpy(), second.double().numpy())
    by_cosine = sorted(product(range(len(first)), range(len(second))), key=lambda pair: (-table[pair], pair))
    taken: dict[int, int] = {}
    for one, other in by_cosine:
        if table[one, other] >= LEAST_COSINE and one not in taken and other not in taken.values():
            taken[one] = other
    return taken


def near_ones(pairs: Pairs) -> dict[int, int]:
    near = pairs.take(pairs.cosine >= LEAST_COSINE)
    return dict(zip(near.first.tolist(), near.second.tolist(), strict=True))


def every(decoder: torch.Tensor) -> np.ndarray:
    return np.arange(len(decoder))


def one_hot(*axes: int, d_model: int = 8) -> torch.Tensor:
    """Decoders along axes."""
    return torch.eye(d_model)[list(axes)]


def changes_of(
    first: torch.Tensor, act_times: list[int], second: torch.Tensor, act_times_later: list[int], *correlation: float
) -> FeatureChanges:
    """With these correlations of the live pairs, or without any."""
    one, other = TrainedFeatures(first, np.array(act_times)), TrainedFeatures(second, np.array(act_times_later))
    pairs = live_pairs(one, other)
    known = np.array(correlation, np.float32) if correlation else np.full(len(pairs.first), np.nan, np.float32)
    return feature_changes(one, other, pairs, known)


def rows(changes: FeatureChanges) -> list[tuple[str, int, int]]:
    names = [CHANGES[kind] for kind in changes.change]
    return list(zip(names, changes.first.tolist(), changes.second.tolist(), strict=True))


shapes = st.tuples(st.integers(0, 25), st.integers(0, 25), st.integers(1, 5), st.integers(0, 10**6))


@pytest.fixture(params=[3, 7, 4096])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pairing in tiles of this size, to its end."""
    monkeypatch.setattr(module, "TILE_FEATURES", request.param)
    monkeypatch.setattr(module, "MOST_ROUNDS", 1000)
    return request.param


@pytest.mark.usefixtures("tile")
@settings(max_examples=40, deadline=None)
@given(case=shapes)
def test_pairs_are_those_of_a_greedy_pairing(case):
    n_first, n_second, d_model, seed = case
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(n, d_model + 2, generator=generator) for n in (n_first, n_second))
    pairs = nearest_pairs(first, second, every(first), every(second))
    assert near_ones(pairs) == greedy(first, second)
    table = cosines(first.numpy(), second.numpy())
    np.testing.assert_allclose(pairs.cosine, table[pairs.first, pairs.second], atol=1e-6)
    assert len(set(pairs.first)) == len(set(pairs.second)) == len(pairs.first)


@pytest.mark.usefixtures("tile")
@settings(max_examples=40, deadline=None)
@given(case=shapes)
def test_ties_go_to_the_smaller_index(case):
    n_first, n_second, d_model, seed = case
    first, second = axis_vectors(n_first, d_model, seed), axis_vectors(n_second, d_model, seed + 1)
    assert near_ones(nearest_pairs(first, second, every(first), every(second))) == greedy(first, second)


def test_only_the_features_that_were_asked_for_are_paired():
    decoder = one_hot(0, 1, 2, 3)
    pairs = nearest_pairs(decoder, decoder, np.array([0, 2, 3]), np.array([1, 2]))
    assert near_ones(pairs) == {2: 2}
    assert not {1} & set(pairs.first) and not {0, 3} & set(pairs.second)


def test_pairing_ends_where_each_round_finds_one_pair_only(monkeypatch):
    monkeypatch.setattr(module, "MOST_ROUNDS", 3)
    same = torch.ones(20, 4)
    assert near_ones(nearest_pairs(same, same, every(same), every(same))) == {0: 0, 1: 1, 2: 2}


def test_a_dead_feature_comes_between_no_two_live_ones():
    second = torch.tensor([[1.0, 0.2], [1.0, 0.0]])
    assert rows(changes_of(torch.tensor([[1.0, 0.0]]), [5], second, [5, 0])) == [("matched", 0, 0)]


@pytest.mark.parametrize(
    ("cosine", "correlation", "expected"),
    [
        (0.9, 0.9, ["matched"]),
        (0.9, np.nan, ["matched"]),  # nothing is known against it
        (0.9, 0.3, ["moved"]),
        (0.6, 0.9, ["moved"]),
        (0.6, np.nan, ["moved"]),
        (0.6, -0.2, ["moved"]),
        (0.1, 0.9, ["moved"]),
        (0.1, 0.3, ["disappeared", "appeared"]),
        (0.1, np.nan, ["disappeared", "appeared"]),
        (-0.9, 0.3, ["disappeared", "appeared"]),  # the opposite direction is another feature
    ],
)
def test_two_live_features_are_told_by_direction_and_correlation(cosine, correlation, expected):
    second = torch.tensor([[cosine, (1 - cosine**2) ** 0.5]])
    changes = changes_of(torch.tensor([[3.0, 0.0]]), [5], second, [5], correlation)
    assert [kind for kind, _, _ in rows(changes)] == expected
    if len(expected) == 1:
        assert changes.cosine[0] == pytest.approx(cosine)
        np.testing.assert_equal(changes.correlation[0], np.float32(correlation))
    else:
        assert rows(changes) == [("disappeared", 0, N), ("appeared", N, 0)]
        assert np.isnan(changes.cosine).all() and np.isnan(changes.correlation).all()


def test_features_die_and_revive_where_their_direction_went():
    first, second = one_hot(0, 1, 2, 3), one_hot(3, 2, 1, 0)
    assert rows(changes_of(first, [1, 2, 0, 0], second, [3, 0, 0, 4])) == [
        ("matched", 0, 3),
        ("died", 1, 2),
        ("revived", 3, 0),
    ]


def test_a_dead_decoder_that_drifted_is_known_by_its_index():
    drifted = torch.tensor([[0.0, 1.0], [0.5, 0.75**0.5]])
    first = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert rows(changes_of(first, [1, 1], drifted, [1, 0])) == [("matched", 0, 0), ("died", 1, 1)]
    elsewhere = drifted[[1, 0]]
    assert rows(changes_of(first, [1, 1], elsewhere, [0, 1])) == [("matched", 0, 1), ("disappeared", 1, N)]


def test_features_that_are_dead_in_both_are_not_listed():
    decoder = one_hot(0, 1)
    assert rows(changes_of(decoder, [0, 1], decoder, [0, 1])) == [("matched", 1, 1)]


def test_list_is_in_the_order_of_interest():
    first = torch.cat([one_hot(0, 1, 2, 3, 4), torch.tensor([[0, 0, 0, 0, 0, 1.0, 0, 0]])])
    second = torch.cat([one_hot(0, 7, 6), torch.tensor([[0, 1, 0, 0, 0, 0.5, 0, 0], [0, 0, 0, 0, 0, 1.0, 0, 1.2]])])
    changes = changes_of(first, [9, 9, 5, 7, 6, 9], second, [9, 2, 3, 9, 9])
    assert rows(changes) == [
        ("matched", 0, 0),
        ("matched", 1, 3),
        ("moved", 5, 4),
        ("disappeared", 3, N),
        ("disappeared", 4, N),
        ("disappeared", 2, N),
        ("appeared", N, 2),
        ("appeared", N, 1),
    ]
    assert list(changes.counts.items()) == [
        ("matched", 2), ("moved", 1), ("died", 0), ("revived", 0), ("disappeared", 3), ("appeared", 2),
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(case=shapes, correlation=st.sampled_from([np.nan, 0.1, 0.8]))
def test_every_live_feature_is_listed_once(case, correlation):
    n_first, n_second, d_model, seed = case
    generator = torch.Generator().manual_seed(seed)
    first, second = (
        TrainedFeatures(
            torch.randn(n, d_model + 1, generator=generator), torch.randint(0, 3, (n,), generator=generator).numpy()
        )
        for n in (n_first, n_second)
    )
    pairs = live_pairs(first, second)
    changes = feature_changes(first, second, pairs, np.full(len(pairs.first), correlation, np.float32))
    for side, column in zip((first, second), (changes.first, changes.second), strict=True):
        present = column[column != NO_FEATURE]
        assert len(set(present)) == len(present)
        assert set(np.flatnonzero(side.act_times)) <= set(present)
    for kind, one, other in rows(changes):
        alive = (one != N and first.act_times[one] > 0, other != N and second.act_times[other] > 0)
        expected = {"matched": (True, True), "moved": (True, True), "died": (True, False), "revived": (False, True)}
        assert alive == expected.get(kind, (kind == "disappeared", kind == "appeared"))


def test_exchanging_the_checkpoints_exchanges_what_became():
    generator = torch.Generator().manual_seed(0)
    one, other = (
        TrainedFeatures(
            torch.randn(40, 4, generator=generator), torch.randint(0, 2, (40,), generator=generator).numpy()
        )
        for _ in range(2)
    )
    counts, back = (
        feature_changes(a, b, pairs, np.full(len(pairs.first), np.nan, np.float32)).counts
        for a, b, pairs in ((one, other, live_pairs(one, other)), (other, one, live_pairs(other, one)))
    )
    turned = {"died": "revived", "revived": "died", "disappeared": "appeared", "appeared": "disappeared"}
    assert {turned.get(kind, kind): n for kind, n in counts.items()} == back
    assert counts["died"] and counts["revived"]


def test_progress_reaches_the_total():
    steps: list[Step] = []
    nearest_pairs(torch.ones(7, 3), torch.ones(5, 3), np.arange(7), np.arange(5), steps.append)
    assert (steps[0].done, steps[-1].done, steps[-1].total) == (0, 7, 7)
