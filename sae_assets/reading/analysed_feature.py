"""One feature of an analysed SAE, and how notebooks and terminals show it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group

from sae_assets.cli.feature_view import feature_page
from sae_assets.reading.feature_html import feature_html
from sae_assets.store.documents import AnalysisDocument, SAEDocument
from sae_assets.store.explanations import known_scores
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import FoundAnalysis

SHOWN_SAMPLES = 5
"""Contexts that are shown of each subsample; `samples` holds all."""


@dataclass(frozen=True, eq=False, repr=False)
class AnalysedFeature(StoredFeature):
    """A feature with all that is known about it. A notebook shows it as a page, and so does `rich.print`."""

    checkpoint: SAEDocument
    """The SAE."""
    analysis: AnalysisDocument
    """The analysis that found this."""

    @staticmethod
    def of(stored: StoredFeature, checkpoint: SAEDocument, analysis: AnalysisDocument) -> AnalysedFeature:
        """The feature with where it is from."""
        return AnalysedFeature(**vars(stored), checkpoint=checkpoint, analysis=analysis)

    @property
    def scores(self) -> dict[str, float]:
        """Scores of the explanation by scorer; those that came to no value are left out."""
        return {} if self.explanation is None else known_scores(self.explanation)

    def __repr__(self) -> str:
        text = "not explained" if self.explanation is None else repr(self.explanation.text)
        density, max_act = self.statistics.density, self.statistics.max_act
        return f"<AnalysedFeature {self.checkpoint.id} {self.index}: {text}, density {density:.3g}, max {max_act:.3g}>"

    def __rich__(self) -> Group:
        return feature_page(FoundAnalysis(self.checkpoint, self.analysis), self, SHOWN_SAMPLES)

    def _repr_html_(self) -> str:
        return feature_html(self.checkpoint.id, self, SHOWN_SAMPLES)
