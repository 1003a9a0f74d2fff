"""What a run left, held against each other: the summaries it returned, its files and the documents in the store."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from upath import UPath

from sae_assets.activations.context_file import read_contexts
from sae_assets.activations.contexts import Context
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.store.connection import Store
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_features
from sae_assets_tests.project import SAE_ID, TinyProject


def analyze(project: TinyProject, **changes: Any) -> FeatureSummaries:
    """Runs `analyze_sae` in the project, with these changes to its settings."""
    return analyze_sae(project.analyze_settings(**changes), data=project.data, progress=silent)


def assert_same(one: Any, other: Any) -> None:
    """Two results agree in every bit."""
    for field in fields(one):
        value, again = getattr(one, field.name), getattr(other, field.name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, again), field.name
        elif isinstance(value, dict):
            assert list(value) == list(again)
            for name in value:
                assert_same(value[name], again[name])
        else:
            assert value == again, field.name


def source_contexts(project: TinyProject, fingerprint: str | None) -> dict[int, Context]:
    """All contexts of a source of the data folder."""
    return {one.context_idx: one for one in read_contexts(project.data.source(str(fingerprint)).contexts)}


def assert_published(
    store: Store, project: TinyProject, summaries: FeatureSummaries, analysis: str = "default"
) -> list[StoredFeature]:
    """The store holds exactly these summaries, with the text of every sample's context; gives its features."""
    found = find_analysis(store, SAE_ID, analysis=analysis).analysis
    contexts = source_contexts(project, found.source)
    features = list(read_features(store, SAE_ID, analysis, alive_only=False))
    assert [one.index for one in features] == list(range(summaries.d_sae))
    assert (found.n_analyzed_tokens, found.n_alive) == (summaries.n_analyzed_tokens, summaries.n_alive)
    for stored in features:
        statistics, index = stored.statistics, stored.index
        assert statistics.act_times == summaries.act_times[index]
        assert statistics.act_contexts == summaries.act_contexts[index]
        assert statistics.density == summaries.density[index]
        assert statistics.max_act == summaries.max_feature_acts[index]
        assert statistics.mean_act == summaries.mean_acts[index]
        assert statistics.variance_act == summaries.variance_acts[index]
        np.testing.assert_array_equal(stored.histogram, summaries.histogram[index])
        assert list(stored.samples) == list(summaries.samples)
        for name, samples in summaries.samples.items():
            ranks = [rank for rank in range(samples.n_samples) if samples.context_idx[index, rank] >= 0]
            assert len(stored.samples[name]) == len(ranks)
            for rank, sample in zip(ranks, stored.samples[name], strict=True):
                active, place = samples.active(index, rank), (index, rank)
                assert sample.context.context_idx == samples.context_idx[place]
                assert sample.context.text == contexts[sample.context.context_idx].text
                assert (sample.start, sample.stop) == (samples.start[place], samples.stop[place])
                np.testing.assert_array_equal(sample.positions, active.positions)
                np.testing.assert_array_equal(sample.values, active.values)
    return features


def document_counts(store: Store) -> dict[str, int]:
    """How many documents each collection holds."""
    return {name: store[name].count_documents({}) for name in store.database.list_collection_names()}


def files_of(folder: Path | UPath) -> dict[str, tuple[int, int]]:
    """Every file below a folder, locks left out, with what tells that it was written again: inode and time."""
    files = [path for path in Path(str(folder)).rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
