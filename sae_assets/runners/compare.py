"""`compare_checkpoints`: what became of the features of one checkpoint in another on the same source."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.analysis.changes import Pairs
from sae_assets.analysis.correlation import PairCorrelations, active_on
from sae_assets.analysis.encoding import BLOCK_TOKENS
from sae_assets.analysis.matching import TrainedFeatures, feature_changes, live_pairs
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.device import leased
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.runners.analysed_model import settings_of
from sae_assets.runners.comparable import comparable, finished_comparison
from sae_assets.runners.text_activations import load_sae
from sae_assets.settings import torch_dtype
from sae_assets.store.columns import read_feature_columns
from sae_assets.store.comparisons import StoredComparison, save_comparison
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import FoundAnalysis

N_TOKENS = 131_072
"""Tokens over which activations are correlated, or a few more, as contexts are whole."""


class _Checkpoint(NamedTuple):
    """One side of a comparison."""

    analysis: AnalysisDocument
    """The analysis, as its features were read."""
    sae: AbstractSparseAutoEncoder
    """The weights that were analysed."""
    features: TrainedFeatures
    """Its features."""
    amp_dtype: torch.dtype
    """Precision of the encoder's product in the analysis."""
    ignored: tuple[int, ...]
    """Token ids that it ignored."""


class _Correlated(NamedTuple):
    """Correlations, as far as they are known."""

    values: Float32[np.ndarray, "pair"]
    """The correlation of each pair; NaN where it is not known."""
    n_tokens: int
    """Tokens that they were taken over."""
    note: str | None
    """Why there are none."""


def compare_checkpoints(
    store: Store, data: DataFolder, first: str, second: str, progress: Progress = silent
) -> StoredComparison:
    """Compares two published analyses on one source, each named `series/name/analysis`, and stores the result.

    Features are paired by their decoders and by how their activations correlate on tokens from all over the source. A
    comparison that is there already, with nothing missing, is given back as it is. Computes on the GPU where there is
    one, alone.

    Raises:
        UserError: an analysis is unknown, they cannot be compared, or the weights are gone or have changed.
    """
    pair = comparable(store, first, second)
    stored = finished_comparison(store, pair)
    if stored is not None:
        return stored
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with leased(device, progress):
        before, after = (_loaded(store, found, device) for found in (pair.first, pair.second))
        source = SourceOnDisk(data.source(pair.first.analysis.source or ""))
        pairs = live_pairs(before.features, after.features, progress)
        correlated = _correlated(pairs, before, after, source, pair.hook_point, progress)
        changes = feature_changes(before.features, after.features, pairs, correlated.values)
    return save_comparison(store, before.analysis, after.analysis, changes, correlated.n_tokens, correlated.note)


def _loaded(store: Store, found: FoundAnalysis, device: str) -> _Checkpoint:
    analysis, settings = found.analysis, settings_of(found.analysis)
    place = {"pretrained_name_or_path": found.sae.path, "device": device}
    columns = read_feature_columns(store, analysis)
    sae = load_sae(settings.sae.model_copy(update=place), analysis.identity)
    return _Checkpoint(
        analysis=analysis.model_copy(update={"features_id": columns.set_id}),
        sae=sae,
        features=TrainedFeatures(sae.decoder, columns.act_times),
        amp_dtype=torch_dtype(settings.amp_dtype),
        ignored=tuple(settings.analyzer.ignore_token_ids or ()),
    )


def _correlated(
    pairs: Pairs, one: _Checkpoint, other: _Checkpoint, source: SourceOnDisk, hook_point: str, progress: Progress
) -> _Correlated:
    """The correlations of the pairs over tokens of chunks that lie evenly in the source."""
    manifest = source.chunks(hook_point).manifest()
    if manifest is None or not manifest.is_complete:
        note = (
            f"The activations at {hook_point!r} are not in this data folder, so that features were compared by their "
            "decoders alone; make `activation_chunks` and compare again."
        )
        return _Correlated(np.full(len(pairs.first), np.nan, np.float32), 0, note)
    n_there = source.report().n_tokens
    chunks = range(0, len(manifest.chunks), max(1, n_there // N_TOKENS))
    contexts_at_a_time = max(1, BLOCK_TOKENS // manifest.form.context_size)
    sums, total = PairCorrelations(pairs, one.sae.d_sae, other.sae.d_sae), min(N_TOKENS, n_there)
    ignored = torch.tensor(sorted({*one.ignored, *other.ignored}), dtype=torch.int64)
    progress(Step("correlations", 0, total, "tokens"))
    for batch in source.batches(hook_point, contexts_at_a_time, chunks):
        counted = replace(batch, mask=batch.mask & ~torch.isin(batch.tokens, ignored))
        n_tokens = int(counted.mask.sum())
        if n_tokens:
            on_device = counted.to(one.features.decoder.device)
            active = active_on(on_device, one.sae, one.amp_dtype)
            sums.add(active, active_on(on_device, other.sae, other.amp_dtype), n_tokens)
            progress(Step("correlations", min(sums.n_tokens, total), total, "tokens"))
        if sums.n_tokens >= N_TOKENS:
            break
    return _Correlated(sums.pearson(), sums.n_tokens, None)
