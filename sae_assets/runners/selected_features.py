"""Which features of an analysis a selection means."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain

from sae_assets.settings.errors import UserError
from sae_assets.settings.selection import FeatureSelection
from sae_assets.store.columns import FeatureColumns, read_feature_columns
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument


def selected_features(store: Store, analysis: AnalysisDocument, selection: FeatureSelection) -> list[int]:
    """Indices of the features, each once, in the order asked for; a sample by index.

    Raises:
        UserError: an index is out of range, or the analysis was published without the columns that the terms need.
    """
    for asked in selection.ranges:
        if asked.stop > analysis.d_sae:
            raise UserError(
                f"There is no feature {max(asked.start, analysis.d_sae)} in {analysis.id!r}; "
                f"they go from 0 to {analysis.d_sae - 1}."
            )
    found = list(dict.fromkeys(chain.from_iterable(selection.ranges or (range(analysis.d_sae),))))
    if selection.is_alive_only or selection.density:
        columns = read_feature_columns(store, analysis)
        found = [index for index in found if _is_meant(index, columns, selection)]
    return found if selection.sample is None else sample_of(found, selection.sample)


def sample_of(indices: Iterable[int], n: int) -> list[int]:
    """The n indices of smallest hash, by index: the same ones each time, and a part of every larger sample."""
    return sorted(sorted(indices, key=_hash)[:n])


def _is_meant(index: int, columns: FeatureColumns, selection: FeatureSelection) -> bool:
    if selection.is_alive_only and not columns.act_times[index]:
        return False
    density = selection.density
    return density is None or density.at_least <= columns.density[index] < density.below


def _hash(index: int) -> bytes:
    return hashlib.blake2b(str(index).encode(), digest_size=8).digest()
