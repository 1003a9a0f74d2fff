"""Hard negatives: windows on which the nearest features peak and this one is silent. Torch is loaded when asked for.

Any explanation tells a feature's windows from those of other subjects; a good one tells them from those of the nearest
features too. The choice is that of EleutherAI's delphi, `non_activating_source="neighbours"`, with neighbours by the
similarity of decoders or by co-occurrence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from sae_assets.activations.context import Context
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import Progress, silent
from sae_assets.interpretation.records import ExampleWindow
from sae_assets.runners.feature_examples import window_of
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.store.connection import Store
from sae_assets.store.contexts import contexts_by_idx
from sae_assets.store.features import StoredFeature, StoredSample
from sae_assets.store.lookup import FoundAnalysis
from sae_assets.store.strongest_samples import strongest_samples
from sae_assets.store.unpacking import PackedSample

if TYPE_CHECKING:
    from sae_assets.runners.context_features import ContextFeatures

FEATURES_AT_A_TIME = 8
"""Features that are searched for together: few, as questions about them wait meanwhile."""

Nearness = Literal["decoder", "coactivation"]


class WithNegatives(NamedTuple):
    """A feature and its hard negatives."""

    feature: StoredFeature
    """The feature, as it was read."""
    hard_negatives: Sequence[ExampleWindow]
    """Windows in which it is silent; empty unless the settings ask for them."""


def with_hard_negatives(
    features: Iterable[StoredFeature],
    store: Store,
    found: FoundAnalysis,
    data: DataFolder,
    cfg: AutoInterpConfig,
    progress: Progress = silent,
) -> Iterator[WithNegatives]:
    """The features of an analysis, each with at most `n_non_activating_examples` hard negatives.

    They are windows around the peaks of its nearest features, by turns from the nearest to the farthest and of each
    from its strongest sample to its weakest; no context is used twice, nor is one that the feature itself has as a
    sample. The feature is 0 on every token that counts of the whole context, by the activations that were analysed.

    Args:
        progress: told where a GPU has to be waited for.

    Raises:
        UserError: the SAE has changed, or neither the activations of the analysis are there nor its language model.
    """
    if cfg.hard_negatives is None or cfg.n_non_activating_examples == 0:
        yield from (WithNegatives(feature, ()) for feature in features)
        return
    from sae_assets.runners.context_features import ContextFeatures

    search = _Search(store, found, cfg.hard_negatives, cfg, ContextFeatures(store, found, data, progress))
    stream = iter(features)
    while batch := list(islice(stream, FEATURES_AT_A_TIME)):
        for one in search.windows_of(batch):
            yield WithNegatives(one.feature, one.windows)


class _Candidate(NamedTuple):
    """A window that is hard to tell from those of a feature, if the feature is silent in it."""

    neighbour: int
    """The feature that peaks there."""
    sample: PackedSample
    """Where it does."""


@dataclass
class _OfFeature:
    """What is found for a feature."""

    feature: StoredFeature
    """The feature."""
    candidates: Iterator[_Candidate]
    """What is still to be looked at."""
    windows: list[ExampleWindow] = field(default_factory=list)
    """What was found, in the order of the candidates."""


@dataclass(frozen=True)
class _Search:
    """Looks for hard negatives, of several features at a time."""

    store: Store
    found: FoundAnalysis
    nearness: Nearness
    cfg: AutoInterpConfig
    features: ContextFeatures

    def windows_of(self, batch: Sequence[StoredFeature]) -> list[_OfFeature]:
        """The windows of each feature; as many candidates are looked at as windows are lacking, again and again."""
        n_wanted = self.cfg.n_non_activating_examples
        near = {feature.index: self._near(feature) for feature in batch}
        indices = {index for of_feature in near.values() for index in of_feature}
        strongest = strongest_samples(self.store, self.found.analysis, indices)
        found = [_OfFeature(feature, _candidates(feature, near[feature.index], strongest)) for feature in batch]
        n_asked = n_right = 0
        while asked := [(one, next_) for one in found for next_ in islice(one.candidates, n_wanted - len(one.windows))]:
            contexts = self._contexts(candidate.sample.context_idx for _, candidate in asked)
            active_on = self.features.active_on(contexts.values())
            for one, (neighbour, sample) in asked:
                active = active_on[sample.context_idx]
                window = _silent_window(StoredSample.of(sample, contexts[sample.context_idx]), self.cfg.max_length)
                if neighbour in active and one.feature.index not in active and window.text.strip():
                    one.windows.append(window)
                n_right += neighbour in active
            n_asked += len(asked)
            if 2 * n_right < n_asked:
                raise UserError(
                    f"The activations that are found or made here are not those of the analysis "
                    f"{self.found.analysis.id!r}, as its strongest samples are silent in them; run the analysis again."
                )
        return found

    def _contexts(self, context_idx: Iterable[int]) -> dict[int, Context]:
        with self.store.readable_errors():
            return contexts_by_idx(self.store, self.found.analysis.source or "", context_idx)

    def _near(self, feature: StoredFeature) -> list[int]:
        near = feature.neighbours if self.nearness == "decoder" else feature.coactive
        return [one.index for one in near]


def _candidates(
    feature: StoredFeature, near: Sequence[int], strongest: Mapping[int, Sequence[PackedSample]]
) -> Iterator[_Candidate]:
    """The strongest sample of each of the nearest features, then the second of each, as far as contexts are new."""
    seen = {sample.context.context_idx for samples in feature.samples.values() for sample in samples}
    of_each = ([_Candidate(index, sample) for sample in strongest[index]] for index in near)
    for row in zip_longest(*of_each):
        for candidate in row:
            if candidate is not None and candidate.sample.context_idx not in seen:
                seen.add(candidate.sample.context_idx)
                yield candidate


def _silent_window(sample: StoredSample, max_length: int) -> ExampleWindow:
    """The window around the peak of another feature, for one that is silent in it."""
    window = window_of(sample, max_length)
    pieces = tuple(piece for piece in window.pieces if piece)  # without inserted tokens that the other is active on
    return ExampleWindow(window.context_idx, pieces, np.zeros(len(pieces), dtype=np.float32))
