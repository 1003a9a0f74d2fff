"""What a run has to explain: which features, and what of each is shown; the same for the run and for its estimate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import Progress, silent
from sae_assets.interpretation.records import FeatureExamples
from sae_assets.runners.feature_examples import examples_of
from sae_assets.runners.hard_negatives import with_hard_negatives
from sae_assets.runners.selected_features import selected_features
from sae_assets.settings import AutoInterpConfig, AutoInterpSettings
from sae_assets.settings.selection import parse_selection
from sae_assets.store.connection import Store
from sae_assets.store.explanations import explained_features
from sae_assets.store.lookup import FoundAnalysis, find_analysis
from sae_assets.store.reading import read_features


@dataclass(frozen=True)
class InterpretationWork:
    """The features of a run."""

    found: FoundAnalysis
    """The analysis that they are of."""
    cfg: AutoInterpConfig
    """How they are explained."""
    indices: tuple[int, ...]
    """Those to explain."""
    kept: tuple[int, ...]
    """Those asked for that keep the explanation that they have."""

    def examples(
        self, store: Store, data: DataFolder, indices: Iterable[int] | None = None, progress: Progress = silent
    ) -> Iterator[FeatureExamples]:
        """What the explainer and the scorers are shown of the features to explain, or of these, in their order.

        Raises:
            UserError: the analysis was replaced meanwhile, or hard negatives are wanted and cannot be found.
        """
        wanted = self.indices if indices is None else indices
        analysis = self.found.analysis
        features = read_features(store, analysis.sae, analysis.name, wanted, alive_only=False)
        for feature, negatives in with_hard_negatives(features, store, self.found, data, self.cfg, progress):
            yield examples_of(feature, self.cfg.max_length, negatives)


def interpretation_work(settings: AutoInterpSettings, store: Store) -> InterpretationWork:
    """Looks up what the settings ask for and what of it is done.

    Raises:
        UserError: there is no such analysis, or no such feature in it.
    """
    cfg = settings.auto_interp
    found = find_analysis(store, settings.sae_name, settings.sae_series, settings.analysis_name)
    sae, analysis = found.sae.id, found.analysis.name
    asked = selected_features(store, found.analysis, parse_selection(settings.features))
    is_kept = explained_features(store, sae, analysis, by_hand_only=cfg.overwrite_existing)
    return InterpretationWork(
        found,
        cfg,
        tuple(index for index in asked if index not in is_kept),
        tuple(index for index in asked if index in is_kept),
    )
