"""Co-activation is counted on the contexts of smallest hash, whatever the order and parts in which contexts come."""

import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.analysis import reference_tokens as module
from sae_assets.analysis.occurrences import ActiveValues
from sae_assets.analysis.reference_tokens import ReferenceTokens

N_POSITIONS, N_FEATURES, SEED = 6, 8, 3


@contextmanager
def limits(most_pairs: int, fewest_pairs: int, most_on_token: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PAIRS", most_pairs)
        patch.setattr(module, "FEWEST_PAIRS", fewest_pairs)
        patch.setattr(module, "MOST_ON_TOKEN", most_on_token)
        yield


def random_activity(n_contexts: int, seed: int) -> np.ndarray:
    """What is active at (context, position, feature); some contexts are silent."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0, 0.1, 0.5, 1], (n_contexts, 1, 1)) * rng.choice([0.3, 1], (n_contexts, N_POSITIONS, 1))
    return rng.random((n_contexts, N_POSITIONS, N_FEATURES)) < share


def add(reference: ReferenceTokens, is_active: np.ndarray, contexts: list[int], size: int) -> ReferenceTokens:
    """Adds these contexts, some at a time."""
    for first in range(0, len(contexts), size):
        some = contexts[first : first + size]
        context, position, feature = torch.from_numpy(is_active[some]).nonzero(as_tuple=True)
        reference.add(ActiveValues(context, position, feature, torch.ones(len(feature))), torch.tensor(some))
    return reference


def expected_tokens(is_active: np.ndarray) -> list[list[int]]:
    """The features on each reference token, as the definition has it."""
    hashes = module.context_hash(torch.arange(len(is_active)), SEED).tolist()
    found, n_pairs = [], 0
    for _, context in sorted(zip(hashes, range(len(is_active)), strict=True)):
        tokens = [row.nonzero()[0].tolist() for row in is_active[context]]
        tokens = [token for token in tokens if 0 < len(token) <= module.MOST_ON_TOKEN]
        if n_pairs < module.MOST_PAIRS:
            found += tokens
        n_pairs += sum(len(token) * max(len(token), module.FEWEST_PAIRS) for token in tokens)
    return found


def found_tokens(reference: ReferenceTokens) -> list[list[int]]:
    offsets, feature = reference.tokens()
    return [token.tolist() for token in feature.tensor_split(offsets[1:-1])] if len(feature) else []


limit = st.tuples(st.integers(1, 400), st.integers(1, 5), st.integers(1, N_FEATURES))


@settings(max_examples=150, deadline=None)
@given(limit=limit, n_contexts=st.integers(0, 30), seed=st.integers(0, 10**6), data=st.data())
def test_the_set_is_as_defined_in_any_order_and_parts(limit, n_contexts, seed, data):
    is_active = random_activity(n_contexts, seed)
    order = data.draw(st.permutations(range(n_contexts)))
    size, cut = data.draw(st.integers(1, 8)), data.draw(st.integers(0, n_contexts))
    with limits(*limit):
        expected = expected_tokens(is_active)
        assert found_tokens(add(ReferenceTokens(SEED), is_active, order, size)) == expected
        one = add(ReferenceTokens(SEED), is_active, order[:cut], size)
        other = pickle.loads(pickle.dumps(add(ReferenceTokens(SEED), is_active, order[cut:], size)))
        one.merge(other)
        assert found_tokens(one) == expected
        assert found_tokens(add(one, is_active, [], 1)) == expected


def test_memory_is_bounded_however_many_contexts_come():
    is_active = random_activity(2000, 0)
    largest = int((is_active.sum(2) ** 2).sum(1).max())
    with limits(3000, 1, N_FEATURES):
        reference = ReferenceTokens(SEED)
        for context in range(2000):
            add(reference, is_active, [context], 1)
            assert sum(len(part.feature) for part in reference.parts) <= reference.n_pairs <= 2 * 3000 + largest
        travelled = pickle.loads(pickle.dumps(reference))
    assert 3000 <= travelled.n_pairs < 3000 + largest


def test_few_active_features_on_a_token_take_bounded_memory_too():
    with limits(1000, 64, 512):
        reference = add(ReferenceTokens(SEED), np.ones((300, 1, 1), dtype=bool), list(range(300)), 1)
        assert found_tokens(reference) == [[0]] * 16  # the first 1024 of what each counts for


def test_a_context_that_cannot_enter_is_not_kept():
    is_active = np.ones((200, N_POSITIONS, N_FEATURES), dtype=bool)
    with limits(1000, 1, N_FEATURES):
        reference = add(ReferenceTokens(SEED), is_active, list(range(200)), 1)
        reference.tokens()
        kept = reference.parts[0]
        outside = [context for context in range(200) if context not in kept.context_idx]
        add(reference, is_active, outside, 7)
        assert len(reference.parts) == 1 and reference.parts[0] is kept


def test_no_context_is_no_token():
    assert found_tokens(ReferenceTokens(SEED)) == []
