"""What the web process works with: opened once when it starts, the same for every request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from sae_assets.settings.errors import NotFoundError
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import explanations_of
from sae_assets.store.lookup import FoundAnalysis, find_analysis
from sae_assets.web.catalogue import Catalogue

if TYPE_CHECKING:
    from sae_assets.web.inference.service import InferenceService
    from sae_assets.web.meaning import MeaningSearch


@dataclass(frozen=True)
class WebContext:
    """The store and all that is held beside it."""

    store: Store
    """Where the results lie."""
    catalogue: Catalogue
    """What is held of them in memory."""
    inference: InferenceService
    """Runs language models and SAEs in processes of their own."""
    meaning: MeaningSearch | None = None
    """Search by meaning; None where no embedding model is set."""
    dagster_url: str | None = None
    """Where Dagster's web server is, without a slash at the end; None where none is linked to."""

    def found(self, series: str, name: str, analysis: str) -> FoundAnalysis:
        """The published analysis of these names.

        Raises:
            NotFoundError: there is none.
        """
        return find_analysis(self.store, name, series, analysis)

    def found_feature(self, series: str, name: str, analysis: str, index: int) -> FoundAnalysis:
        """The same, once it is sure that it has this feature.

        Raises:
            NotFoundError: there is no such analysis, or it has no such feature.
        """
        found = self.found(series, name, analysis)
        refuse_out_of_range(found.analysis.id, found.analysis.d_sae, index)
        return found

    def explanations(self, analysis: AnalysisDocument, indices: Iterable[int]) -> dict[int, str]:
        """What some features are explained as; those without an explanation are left out."""
        return {one.index: one.text for one in explanations_of(self.store, analysis.sae, analysis.name, indices)}

    def partition_url(self, sae_id: str) -> str | None:
        """The page of a checkpoint's partition in Dagster."""
        if self.dagster_url is None:
            return None
        return f"{self.dagster_url}/assets/feature_documents?view=partitions&partition={quote(sae_id, safe='')}"

    def close(self) -> None:
        """Ends what goes on in processes and threads; the store stays open."""
        self.inference.close()
        self.catalogue.close()
        if self.meaning is not None:
            self.meaning.close()


def refuse_out_of_range(place: str, d_sae: int, index: int) -> None:
    """Says which features there are.

    Raises:
        NotFoundError: the feature is not one of them.
    """
    if not 0 <= index < d_sae:
        raise NotFoundError(f"There is no feature {index} in {place!r}; they go from 0 to {d_sae - 1}.")
