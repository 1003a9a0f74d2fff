"""The features of an analysis, one after the other, as exports go through them."""

from __future__ import annotations

from collections.abc import Iterator

from sae_assets.engine.progress import Progress, Step
from sae_assets.interpretation.records import ExampleWindow
from sae_assets.runners.feature_examples import window_of
from sae_assets.store.connection import Store
from sae_assets.store.features import StoredFeature, StoredSample
from sae_assets.store.lookup import FoundAnalysis
from sae_assets.store.reading import read_features


def every_feature(store: Store, found: FoundAnalysis, progress: Progress) -> Iterator[StoredFeature]:
    """All features by index, dead ones too; some dozens of them are in memory at a time.

    Raises:
        UserError: another run replaced the analysis meanwhile.
    """
    total = found.analysis.d_sae
    progress(Step("export", 0, total, "features"))
    features = read_features(store, found.sae.id, found.analysis.name, alive_only=False)
    for done, feature in enumerate(features, 1):
        yield feature
        progress(Step("export", done, total, "features"))


def active_samples(feature: StoredFeature) -> list[StoredSample]:
    """The sample contexts on which the feature is active, strongest first.

    A context that lies in several subsamples is there once, as the first of them has it.
    """
    by_context: dict[int, StoredSample] = {}
    for samples in feature.samples.values():
        for sample in samples:
            if sample.peak > 0:
                by_context.setdefault(sample.context.context_idx, sample)
    return sorted(by_context.values(), key=lambda sample: (-sample.peak, sample.context.context_idx))


def whole_window(sample: StoredSample) -> ExampleWindow:
    """All that is kept of a sample as pieces of text that join to the original; see `ExampleWindow`."""
    return window_of(sample, max(sample.stop - sample.start, 1))
