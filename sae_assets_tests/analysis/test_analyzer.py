"""The analysis equals the definitions, computed by brute force, and depends on neither batches nor their order."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.activations import ActivationBatch
from sae_assets.analysis.accumulator import FeatureAccumulator
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.encoding import encoded_contexts
from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.analysis.sampling import SamplingPlan
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.settings import FeatureAnalyzerConfig, SubsampleConfig, UserError
from sae_assets_tests.analysis.brute_force import (
    TableSAE,
    band_contexts,
    coactive_neighbours,
    dense,
    reference_activity,
    silent_contexts,
    top_contexts,
)

SUBSAMPLES = {
    "top_activations": SubsampleConfig(proportion=1.0, n_samples=3),
    "middle": SubsampleConfig(proportion=0.7, n_samples=2, max_length=3),
    "low": SubsampleConfig(proportion=0.3, n_samples=2),
    "non_activating": SubsampleConfig(proportion=0.3, n_samples=4, max_length=5),
}
CFG = FeatureAnalyzerConfig(total_analyzing_tokens=10**9, subsamples=SUBSAMPLES)


def make_batch(n_contexts: int, n_positions: int, d_model: int, seed: int, masked: float = 0.2) -> ActivationBatch:
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(n_contexts, n_positions, d_model, generator=generator).mul(4).round().div(4)
    mask = torch.rand(n_contexts, n_positions, generator=generator) >= masked
    activations = torch.where(mask[:, :, None], activations, torch.nan)
    context_idx = torch.randperm(10 * n_contexts, generator=generator)[:n_contexts].sort().values
    tokens = torch.randint(0, 50, (n_contexts, n_positions), generator=generator)
    return ActivationBatch(context_idx, tokens, mask, activations)


def part(batch: ActivationBatch, rows) -> ActivationBatch:
    return ActivationBatch(batch.context_idx[rows], batch.tokens[rows], batch.mask[rows], batch.activations[rows])


def assert_same(one: FeatureSummaries, other: FeatureSummaries) -> None:
    for name in ("act_times", "act_contexts", "max_feature_acts", "mean_acts", "variance_acts", "histogram"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for name in ("coactive_idx", "coactive_cosine"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.n_analyzed_tokens == other.n_analyzed_tokens
    for name in one.samples:
        for field in ("context_idx", "peak", "start", "stop", "offsets", "positions", "values"):
            assert torch.equal(getattr(one.samples[name], field), getattr(other.samples[name], field)), (name, field)


cases = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(1, 12), st.integers(0, 10**6))


@settings(max_examples=60, deadline=None)
@given(case=cases)
def test_statistics_equal_brute_force(case):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed)
    if not batch.mask.any():
        return
    result = FeatureAnalyzer(CFG).analyze_batches([batch], sae=sae)
    data = dense(batch, sae)
    acts = data.acts[data.mask]
    assert result.n_analyzed_tokens == len(acts)
    assert result.n_analyzed_contexts == data.mask.any(1).sum()
    np.testing.assert_array_equal(result.act_times, (acts > 0).sum(0))
    np.testing.assert_array_equal(result.density, (acts > 0).sum(0) / len(acts))
    assert result.l0 == (acts > 0).sum() / len(acts)
    np.testing.assert_array_equal(result.act_contexts, (data.peaks > 0).sum(0))
    np.testing.assert_allclose(result.max_feature_acts, data.peaks.max(0), rtol=1e-6, atol=1e-7)
    for feature in range(d_sae):
        active = acts[:, feature][acts[:, feature] > 0].astype(np.float64)
        mean, variance = (active.mean(), active.var()) if len(active) else (0.0, 0.0)
        np.testing.assert_allclose(result.mean_acts[feature], mean, rtol=1e-6)
        np.testing.assert_allclose(result.variance_acts[feature], variance, rtol=1e-4, atol=1e-6)
    assert torch.equal(result.histogram.sum(1), result.act_times)


@settings(max_examples=60, deadline=None)
@given(case=cases)
def test_samples_equal_brute_force(case):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed, bias=-3.0)
    if not batch.mask.any():
        return
    samples = FeatureAnalyzer(CFG).analyze_batches([batch], sae=sae).samples
    data = dense(batch, sae)
    for feature in range(d_sae):
        top = samples["top_activations"]
        expected = top_contexts(data, feature, 3)
        found = [int(c) for c in top.context_idx[feature] if c >= 0]
        assert found == [c for c, _ in expected]
        np.testing.assert_allclose(top.peak[feature][: len(expected)], [p for _, p in expected], rtol=1e-6)
        assert (top.peak[feature][len(expected) :] == 0).all()
        for name, lower, upper in (("middle", 0.3, 0.7), ("low", 0.0, 0.3)):
            band = {int(c) for c in samples[name].context_idx[feature] if c >= 0}
            assert band == band_contexts(data, feature, lower, upper, 2, CFG.seed)
        silent = [int(c) for c in samples["non_activating"].context_idx[feature] if c >= 0]
        assert silent == silent_contexts(data, feature, 4, CFG.seed)


@settings(max_examples=60, deadline=None)
@given(case=cases, most_pairs=st.sampled_from([1, 200, 5000, 1 << 28]), most_on_token=st.integers(1, 12))
def test_coactive_features_equal_brute_force(case, most_pairs, most_on_token):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed)
    if not batch.mask.any():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sae_assets.analysis.reference_tokens.MOST_PAIRS", most_pairs)
        patch.setattr("sae_assets.analysis.reference_tokens.MOST_ON_TOKEN", most_on_token)
        result = FeatureAnalyzer(CFG).analyze_batches([batch], sae=sae)
        is_active = reference_activity(dense(batch, sae), CFG.seed)
    for feature in range(d_sae):
        found = zip(result.coactive_idx[feature].tolist(), result.coactive_cosine[feature].tolist(), strict=True)
        assert [one for one in found if one != (-1, 0)] == coactive_neighbours(is_active, feature, 10)


@settings(max_examples=30, deadline=None)
@given(case=cases)
def test_active_tokens_of_a_sample_are_those_of_its_window(case):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed)
    if not batch.mask.any():
        return
    result = FeatureAnalyzer(CFG).analyze_batches([batch], sae=sae)
    data = dense(batch, sae)
    row_of = {int(c): row for row, c in enumerate(data.context_idx)}
    for subsample in result.samples.values():
        for feature in range(d_sae):
            for sample, context in enumerate(subsample.context_idx[feature].tolist()):
                positions, values = subsample.active(feature, sample)
                if context < 0:
                    assert len(positions) == 0
                    continue
                start, stop = int(subsample.start[feature, sample]), int(subsample.stop[feature, sample])
                window = data.counted[row_of[context], start:stop, feature]
                expected = window.nonzero()[0] + start
                assert positions.tolist() == expected.tolist()
                np.testing.assert_allclose(values, window[window > 0], rtol=1e-6)
                assert subsample.peak[feature, sample] == (values.max() if len(values) else 0)


@settings(max_examples=40, deadline=None)
@given(case=cases, data=st.data())
def test_result_depends_on_neither_batch_size_nor_order(case, data):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed)
    if not batch.mask.any():
        return
    analyzer = FeatureAnalyzer(CFG)
    whole = analyzer.analyze_batches([batch], sae=sae)
    order = data.draw(st.permutations(range(n_contexts)))
    size = data.draw(st.integers(1, n_contexts))
    pieces = [part(batch, order[i : i + size]) for i in range(0, n_contexts, size)]
    assert_same(whole, analyzer.analyze_batches(pieces, sae=sae))


@settings(max_examples=40, deadline=None)
@given(case=cases, cut=st.integers(0, 40))
def test_merged_parts_equal_the_whole(case, cut):
    n_contexts, n_positions, d_model, d_sae, seed = case
    batch, sae = make_batch(n_contexts, n_positions, d_model, seed), TableSAE(d_model, d_sae, seed)

    def accumulate(piece: ActivationBatch) -> FeatureAccumulator:
        accumulator = FeatureAccumulator(SamplingPlan.of(CFG), d_sae, n_positions)
        for encoded in encoded_contexts(piece, sae, torch.float32):
            accumulator.add(encoded.active, encoded.context_idx, encoded.n_tokens)
        return accumulator

    first, second = part(batch, slice(None, cut)), part(batch, slice(cut, None))
    whole = accumulate(batch).summaries()
    for one, other in ((first, second), (second, first)):
        travelled = pickle.loads(pickle.dumps(accumulate(other)))
        assert_same(whole, accumulate(one).merge(travelled).summaries())


def test_pruning_in_between_changes_nothing(monkeypatch):
    batch, sae = make_batch(300, 8, 6, 3), TableSAE(6, 40, 3)
    pieces = [part(batch, slice(i, i + 3)) for i in range(0, 300, 3)]
    analyzer = FeatureAnalyzer(CFG)
    once = analyzer.analyze_batches(pieces, sae=sae)
    monkeypatch.setattr("sae_assets.analysis.accumulator.PRUNE_ABOVE", 1)
    assert_same(once, analyzer.analyze_batches(pieces, sae=sae))


def test_histogram_bins_hold_what_their_edges_say():
    edges = HISTOGRAM.edges.astype(np.float32)
    values = torch.from_numpy(edges[:-1])
    assert torch.equal(HISTOGRAM.of(values), torch.arange(HISTOGRAM.n_bins))
    below = torch.from_numpy(np.nextafter(edges[1:], np.float32(0)))
    assert torch.equal(HISTOGRAM.of(below), torch.arange(HISTOGRAM.n_bins))


def test_budget_ends_the_analysis_at_exactly_that_token():
    batch, sae = make_batch(10, 8, 4, 0, masked=0.0), TableSAE(4, 6, 0)
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=27)
    result = FeatureAnalyzer(cfg).analyze_batches([part(batch, slice(i, i + 2)) for i in range(0, 10, 2)], sae=sae)
    assert result.n_analyzed_tokens == 27
    flat = sae.encode(batch.activations.flatten(0, 1)[:27])
    assert torch.equal(result.act_times, (flat > 0).sum(0))


def test_ignored_tokens_count_nowhere():
    batch, sae = make_batch(10, 8, 4, 0, masked=0.0), TableSAE(4, 6, 0)
    ignored = [int(token) for token in batch.tokens.unique()[:10]]
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=1000, ignore_token_ids=ignored)
    result = FeatureAnalyzer(cfg).analyze_batches([batch], sae=sae)
    counts = ~torch.isin(batch.tokens, torch.tensor(ignored))
    assert result.n_analyzed_tokens == counts.sum()
    assert torch.equal(result.act_times, (sae.encode(batch.activations[counts]) > 0).sum(0))


def test_nan_in_a_token_that_counts_is_refused_by_place():
    batch = make_batch(3, 4, 4, 0, masked=0.0)
    batch.activations[1, 2, 0] = torch.nan
    place = rf"context {int(batch.context_idx[1])}, position 2 is NaN or infinite"
    with pytest.raises(UserError, match=place):
        FeatureAnalyzer(CFG).analyze_batches([batch], sae=TableSAE(4, 6, 0))


def test_another_width_is_refused():
    with pytest.raises(UserError, match="d_model 4 and the SAE has d_model 5"):
        FeatureAnalyzer(CFG).analyze_batches([make_batch(3, 4, 4, 0)], sae=TableSAE(5, 6, 0))


def test_nothing_to_analyse_is_refused():
    with pytest.raises(UserError, match="no token to analyse"):
        FeatureAnalyzer(CFG).analyze_batches([], sae=TableSAE(4, 6, 0))
