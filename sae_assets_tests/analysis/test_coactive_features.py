"""The nearest features by co-activation equal brute force, in any order of tokens and blocks, in bounded memory."""

import subprocess
import sys
from math import sqrt

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis import coactive_features as module
from sae_assets.analysis.coactive_features import CoactiveFeatures, TokenFeatures, coactive_features
from sae_assets_tests.analysis.brute_force import coactive_neighbours


def token_features(is_active: np.ndarray) -> TokenFeatures:
    """The features of the tokens that have one, in any order within a token."""
    rows = [np.random.default_rng(len(row)).permutation(row.nonzero()[0]) for row in is_active if row.any()]
    offsets = np.cumsum([0, *map(len, rows)])
    return TokenFeatures(torch.from_numpy(offsets), torch.from_numpy(np.concatenate([[], *rows]).astype(np.int32)))


def random_activity(n_tokens: int, n_features: int, share: float, seed: int) -> np.ndarray:
    """Some features are active on every token, some on none, most between."""
    rng = np.random.default_rng(seed)
    return rng.random((n_tokens, n_features)) < rng.choice([0, share, 2 * share, 1], n_features, p=[0.1, 0.5, 0.3, 0.1])


def assert_same(one: CoactiveFeatures, other: CoactiveFeatures) -> None:
    assert torch.equal(one.idx, other.idx)
    assert torch.equal(one.cosine, other.cosine)


cases = st.tuples(st.integers(0, 40), st.integers(1, 30), st.sampled_from([0.05, 0.2, 0.5]), st.integers(0, 10**6))


@settings(max_examples=150, deadline=None)
@given(case=cases, n_neighbours=st.integers(1, 12), block_pairs=st.sampled_from([1, 7, 100, 1 << 18]))
def test_neighbours_equal_brute_force_exactly(case, n_neighbours, block_pairs):
    is_active = random_activity(*case)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_PAIRS", block_pairs)
        found = coactive_features(token_features(is_active), is_active.shape[1], n_neighbours)
    assert found.idx.dtype == torch.int64 and found.cosine.dtype == torch.float32
    for feature in range(is_active.shape[1]):
        expected = coactive_neighbours(is_active, feature, n_neighbours)
        n_missing = n_neighbours - len(expected)
        assert found.idx[feature].tolist() == [index for index, _ in expected] + [-1] * n_missing
        assert found.cosine[feature].tolist() == [cosine for _, cosine in expected] + [0.0] * n_missing


@settings(max_examples=50, deadline=None)
@given(case=cases, data=st.data())
def test_result_does_not_depend_on_the_order_of_tokens(case, data):
    is_active = random_activity(*case)
    order = data.draw(st.permutations(range(len(is_active))))
    n_features = is_active.shape[1]
    whole = coactive_features(token_features(is_active), n_features)
    assert_same(whole, coactive_features(token_features(is_active[order]), n_features))


def test_equal_cosines_of_unequal_counts_go_to_the_smaller_index():
    # Feature 0 is active on 18 tokens; 1 and 2 have the same cosine with it, by 3² / 9 and 2² / 4.
    is_active = np.zeros((30, 4), dtype=bool)
    is_active[:18, 0] = True
    is_active[[0, 1, 20, 21], 2] = True
    is_active[[3, 4, 5, 22, 23, 24, 25, 26, 27], 1] = True
    found = coactive_features(token_features(is_active), 4)
    assert found.idx[0, :3].tolist() == [1, 2, -1]
    assert found.cosine[0, 0] == found.cosine[0, 1] == np.float32(sqrt(1 / 18))


def test_one_common_token_makes_no_neighbours_and_two_do():
    is_active = np.zeros((5, 4), dtype=bool)
    is_active[0, :2] = True
    is_active[1:3, 2:] = True
    found = coactive_features(token_features(is_active), 4, 1)
    assert found.idx.tolist() == [[-1], [-1], [3], [2]]
    assert found.cosine.tolist() == [[0], [0], [1], [1]]


def test_features_that_are_always_active_together_have_cosine_one():
    found = coactive_features(token_features(np.ones((50, 13), dtype=bool)), 13)
    for feature in range(13):
        assert found.idx[feature].tolist() == [other for other in range(13) if other != feature][:10]
    assert (found.cosine == 1).all()


def test_a_million_features_are_told_apart():
    tokens = TokenFeatures(torch.tensor([0, 2, 4, 6]), torch.tensor([5, 999_999] * 2 + [0, 5], dtype=torch.int32))
    found = coactive_features(tokens, 1_000_000, 1)
    assert (found.idx[5, 0], found.idx[999_999, 0]) == (999_999, 5)
    assert int((found.idx >= 0).sum()) == 2


PEAK = """
import resource
import torch
from sae_assets.analysis.coactive_features import TokenFeatures, coactive_features

N_TOKENS, L0, N_FEATURES = 8192, 32, 131_072
feature = torch.randint(0, N_FEATURES // L0, (N_TOKENS, L0)) * L0 + torch.arange(L0)
tokens = TokenFeatures(torch.arange(N_TOKENS + 1) * L0, feature.flatten().int())
coactive_features(TokenFeatures(torch.tensor([0, 1]), torch.tensor([0], dtype=torch.int32)), 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert (coactive_features(tokens, N_FEATURES).idx >= 0).any()
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_features_times_features():
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200 << 20  # a bit for each pair of the 131,072 features would be 2 GiB
