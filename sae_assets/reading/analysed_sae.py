"""An SAE whose features have been analysed, as a Python object: features by index, and tables of all of them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, SupportsIndex

from sae_assets.reading.analysed_feature import AnalysedFeature
from sae_assets.runners.selected_features import selected_features
from sae_assets.settings.errors import UserError
from sae_assets.settings.selection import parse_selection
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import each_explanation
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import FoundAnalysis, find_analysis
from sae_assets.store.reading import read_feature, read_features
from sae_assets.web.catalogue import Catalogue, Columns
from sae_assets.web.explained import ExplainedFeatures
from sae_assets.web.query import FeatureQuery
from sae_assets.web.selection import Marks, selected

if TYPE_CHECKING:
    import pyarrow as pa

MOST_CHARACTERS = 500
"""The longest text that is searched for."""


class AnalysedSAE:
    """What an analysis found about an SAE; `sae_assets.open` opens it. Close it, or use it in a `with` statement.

    Every call reads what the store holds now: explanations that are written meanwhile are seen by the next one.
    """

    def __init__(self, store: Store, found: FoundAnalysis):
        """Takes the store over: it is closed with this."""
        self.checkpoint = found.sae
        """The SAE."""
        self.analysis = found.analysis
        """The analysis, as it was when this was opened."""
        self._store: Store | None = store
        self._catalogue = Catalogue(store)

    def __len__(self) -> int:
        """Number of features, dead ones among them."""
        return self.analysis.d_sae

    def __getitem__(self, index: SupportsIndex) -> AnalysedFeature:
        """The feature of this index with its samples, logits and explanation.

        Raises:
            UserError: there is none of this index.
        """
        place = _index(index)
        return self._of(read_feature(self._opened(), self.checkpoint.id, self.analysis.name, place))

    def __iter__(self) -> Iterator[AnalysedFeature]:
        """The alive features by index; a few dozen are held at a time."""
        return self.features()

    def features(self, selection: Iterable[SupportsIndex] | str | None = None) -> Iterator[AnalysedFeature]:
        """The features of a selection, one after the other; a few dozen are held at a time.

        Args:
            selection: indices in the order wanted, or terms as in the settings: "0-499, alive", "density 1e-5..1e-2,
                sample 200"; all alive features where not given.

        Raises:
            UserError: a term cannot be read, or an index is out of range.
        """
        if not isinstance(selection, str | None):
            selection = [_index(index) for index in selection]
            if not selection:  # where a search found nothing
                return iter(())
        try:
            meant = parse_selection(selection)
        except ValueError as error:
            raise UserError(f"The features {selection!r} cannot be selected: {error}.") from None
        return self._each(selected_features(self._opened(), self._now(), meant))

    def table(self) -> pa.Table:
        """All features, one a row by index, with their statistics, explanation, scores and most promoted tokens.

        The columns are described in docs/reading.md; `polars.from_arrow` takes it.
        """
        from sae_assets.reading.feature_table import feature_table

        return feature_table(*self._columns())

    def search(self, words: str) -> pa.Table:
        """The rows of `table` whose explanation has all these words, then those that promote a token with this text.

        Case does not matter. A number finds the feature of this index first of all.

        Raises:
            UserError: the text is empty or too long.
        """
        from sae_assets.reading.feature_table import feature_table

        if not 0 < len(words.strip()) <= MOST_CHARACTERS:
            raise UserError(f"What is searched for is a text of 1 to {MOST_CHARACTERS} characters.")
        columns, explained = self._columns()
        hits = selected(columns, explained, FeatureQuery(q=words), Marks())
        return feature_table(columns, explained).take(hits.first(len(hits)))

    def close(self) -> None:
        """Ends the connection; what was read stays."""
        if self._store is not None:
            self._catalogue.close()
            self._store.close()
            self._store = None

    def __enter__(self) -> AnalysedSAE:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        sae, analysis = self.checkpoint, self.analysis
        place = f"{sae.model_name or 'an unnamed model'} at {sae.hook_point or 'an unnamed hook point'}"
        return (
            f"<AnalysedSAE {analysis.id}: {analysis.n_alive:,} of {analysis.d_sae:,} features alive on "
            f"{analysis.n_analyzed_tokens:,} tokens, {place}>"
        )

    def _each(self, indices: list[int]) -> Iterator[AnalysedFeature]:
        sae_id, analysis = self.checkpoint.id, self.analysis.name
        for feature in read_features(self._opened(), sae_id, analysis, indices, alive_only=False):
            yield self._of(feature)
            self._opened()

    def _of(self, feature: StoredFeature) -> AnalysedFeature:
        return AnalysedFeature.of(feature, self.checkpoint, self.analysis)

    def _columns(self) -> tuple[Columns, ExplainedFeatures]:
        analysis = self._now()
        columns = self._catalogue.columns(analysis)
        explained = ExplainedFeatures(columns.features.d_sae)
        explained.put(each_explanation(self._opened(), analysis.sae, analysis.name))
        return columns, explained

    def _now(self) -> AnalysisDocument:
        """The analysis as it is now: another run may have published it again."""
        return find_analysis(self._opened(), self.checkpoint.id, analysis=self.analysis.name).analysis

    def _opened(self) -> Store:
        if self._store is None:
            raise UserError(f"{self.analysis.id!r} has been closed; open it again to read more of it.")
        return self._store


def _index(given: SupportsIndex) -> int:
    try:
        return operator.index(given)
    except TypeError:
        raise UserError(
            f"A feature is named by its index and not by {given!r}; `features` takes several, as '0-499, alive'."
        ) from None
