"""Results of a real, small analysis, with texts in which one character spans several tokens."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from sae_assets.activations import ActivationBatch
from sae_assets.activations.context import Context
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.geometry import DictionaryGeometry, dictionary_geometry
from sae_assets.analysis.logits import FeatureLogits, attribute_logits
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.settings import DirectLogitAttributorConfig, FeatureAnalyzerConfig
from sae_assets.store.connection import Store
from sae_assets.store.documents import SAEDocument
from sae_assets.store.publish import AnalysisRecord, PublishedSet, publish_analysis, publish_logits
from sae_assets_tests.analysis.brute_force import TableSAE

PIECES = ("学", "习", "🙂", "👩‍🔬", " the", "é", "\n", " x")
D_MODEL = 6
VOCAB = 40


@dataclass
class Result:
    """Everything that is published about one SAE."""

    summaries: FeatureSummaries
    geometry: DictionaryGeometry
    logits: FeatureLogits
    contexts: dict[int, Context]
    source: str

    @property
    def sampled(self) -> list[Context]:
        return [self.contexts[idx] for idx in self.summaries.sampled_contexts]


def token_text(token_id: int) -> str:
    return f"{PIECES[token_id % len(PIECES)]}{token_id}"


@cache
def made_up(d_sae: int = 30, seed: int = 0, n_contexts: int = 40, n_positions: int = 24, bias: float = -1.0) -> Result:
    """An analysis of random activations; `bias` decides how many are above 0. Feature 0 is dead."""
    generator = torch.Generator().manual_seed(seed)
    activations = torch.randn(n_contexts, n_positions, D_MODEL, generator=generator).mul(4).round().div(4)
    mask = torch.ones(n_contexts, n_positions, dtype=torch.bool)
    tokens = torch.randint(0, VOCAB, (n_contexts, n_positions), generator=generator)
    sae = TableSAE(D_MODEL, d_sae, seed, bias)
    sae.weights[:, 0] = 0
    batch = ActivationBatch(torch.arange(n_contexts), tokens, mask, activations)
    summaries = FeatureAnalyzer(FeatureAnalyzerConfig(total_analyzing_tokens=10**9)).analyze_batches([batch], sae=sae)
    logits = attribute_logits(
        sae.weights.T,
        torch.randn(D_MODEL, VOCAB, generator=generator),
        DirectLogitAttributorConfig(variant="raw"),
        None,
    )
    return Result(
        summaries,
        dictionary_geometry(sae.weights, sae.weights.T),
        logits,
        {idx: _context(idx, row.numpy()) for idx, row in enumerate(tokens)},
        f"{n_contexts}-{n_positions}-{seed:010d}",
    )


def _context(idx: int, tokens: np.ndarray) -> Context:
    pieces = [PIECES[token % len(PIECES)] for token in tokens]
    stops = np.cumsum([len(piece) for piece in pieces]).astype(np.int32)
    starts = np.concatenate([[0], stops[:-1]]).astype(np.int32)
    mask = np.arange(len(tokens)) > 0
    return Context(idx, "texts", idx // 3, "".join(pieces), tokens.astype(np.int32), starts, stops, mask)


def sae_document(name: str = "l10", series: str = "demo", identity: str = "a" * 16, d_sae: int = 30) -> SAEDocument:
    return SAEDocument(
        id=f"{series}/{name}",
        series=series,
        name=name,
        path=f"/checkpoints/{name}",
        identity=identity,
        config={"sae_type": "sae", "hook.points": ["blocks.0.hook_resid_post"]},
        model_name="tiny",
        hook_point="blocks.0.hook_resid_post",
        d_model=D_MODEL,
        d_sae=d_sae,
    )


def publish(store: Store, result: Result, sae: SAEDocument | None = None, analysis: str = "default") -> PublishedSet:
    sae = sae or sae_document(d_sae=result.summaries.d_sae)
    record = AnalysisRecord(analysis, result.source, {"total_analyzing_tokens": 10})
    return publish_analysis(store, sae, record, result.summaries, result.geometry, result.sampled)


def attribute(store: Store, result: Result, sae_id: str = "demo/l10", analysis: str = "default") -> PublishedSet:
    return publish_logits(store, sae_id, analysis, result.logits, token_text)


def assert_samples_equal(stored, result: Result) -> None:
    """The samples of a feature that was read are those of the result, in every number and character."""
    assert list(stored.samples) == list(result.summaries.samples)
    for name, samples in result.summaries.samples.items():
        expected = [rank for rank in range(samples.n_samples) if samples.context_idx[stored.index, rank] >= 0]
        assert len(stored.samples[name]) == len(expected)
        for rank, sample in zip(expected, stored.samples[name], strict=True):
            active = samples.active(stored.index, rank)
            place = (stored.index, rank)
            assert sample.context.context_idx == samples.context_idx[place]
            assert sample.peak == samples.peak[place]
            assert (sample.start, sample.stop) == (samples.start[place], samples.stop[place])
            np.testing.assert_array_equal(sample.positions, active.positions)
            np.testing.assert_array_equal(sample.values, active.values)
            context = result.contexts[sample.context.context_idx]
            assert sample.context.text == context.text
            assert (sample.context.dataset, sample.context.document_idx) == (context.dataset, context.document_idx)
            for column in ("tokens", "starts", "stops", "mask"):
                np.testing.assert_array_equal(getattr(sample.context, column), getattr(context, column))
