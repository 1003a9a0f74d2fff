"""Comparisons of two analyses: written whole under an id of their own, then made to count by one update.

A comparison counts as long as both analyses have the features that it was made from. Reading one loads no torch.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from pydantic import AliasChoices, Field

from sae_assets.analysis.changes import FORMAT, Change, FeatureChanges
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument, Document, now
from sae_assets.store.queries import where

PAIRS_A_BLOCK = 65_536
"""Pairs in a document."""
COLUMNS = {"first": "<i4", "second": "<i4", "change": "u1", "cosine": "<f4", "correlation": "<f4"}
"""The columns of `FeatureChanges` as they are stored."""


class ComparisonDocument(Document):
    """`comparisons`: what was compared, and which columns hold the result."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """`series/name/analysis|series/name/analysis`."""
    format: int
    """`changes.FORMAT` when it was made."""
    first: str
    """The first analysis."""
    second: str
    """The second analysis."""
    first_features: str
    """`features_id` of the first when they were compared."""
    second_features: str
    """`features_id` of the second."""
    columns: str
    """Id of its columns."""
    n_pairs: int
    """Pairs in the columns."""
    n_tokens: int
    """Tokens over which activations were correlated."""
    note: str | None
    """What is missing in it, as a sentence."""
    made_at: datetime = Field(default_factory=now)
    """When it was made."""


class ComparisonColumnsDocument(Document):
    """`comparison_columns`: up to 65,536 pairs, in the order of the list; every array little-endian."""

    comparison: str
    """Id of the columns."""
    pair: str
    """`_id` of the comparison that they were written for."""
    start: int
    """Place of the first pair in the list."""
    first: bytes
    """int32: feature of the first; -1 for none."""
    second: bytes
    """int32: feature of the second; -1 for none."""
    change: bytes
    """uint8: what became of it, as a place in `changes.CHANGES`."""
    cosine: bytes
    """float32: cosine of the two decoders; NaN where there is only one."""
    correlation: bytes
    """float32: correlation of the two activations; NaN where it is not known."""


@dataclass(frozen=True, eq=False)
class StoredComparison:
    """What became of the features of one analysis in another one."""

    about: ComparisonDocument
    """What was compared, when, and over how many tokens."""
    changes: FeatureChanges
    """The list."""

    @cached_property
    def counts(self) -> dict[Change, int]:
        """Features by what became of them."""
        return self.changes.counts


@readable
def save_comparison(
    store: Store,
    first: AnalysisDocument,
    second: AnalysisDocument,
    changes: FeatureChanges,
    n_tokens: int,
    note: str | None = None,
) -> StoredComparison:
    """Writes a comparison in place of an earlier one; `first` and `second` are the analyses as they were compared."""
    about = ComparisonDocument(
        id=_id(first.id, second.id),
        format=FORMAT,
        first=first.id,
        second=second.id,
        first_features=first.features_id or "",
        second_features=second.features_id or "",
        columns=uuid.uuid4().hex,
        n_pairs=len(changes.first),
        n_tokens=n_tokens,
        note=note,
    )
    columns = store["comparison_columns"]
    for block in _blocks(about, changes):
        columns.insert_one(block.to_mongo())
    store["comparisons"].replace_one(where(_id=about.id).filter, about.to_mongo(), upsert=True)
    # Those of the comparison before, and what a killed run left. What a slower run still writes may go, too: then its
    # comparison is read as none, never as a part.
    ids = {block["comparison"] for block in columns.find(where(pair=about.id).filter, {"comparison": 1})}
    columns.delete_many(where().among("comparison", sorted(ids - {about.columns})).filter)
    return StoredComparison(about, changes)


@readable
def read_comparison(store: Store, first: str, second: str) -> StoredComparison | None:
    """The comparison of two analyses, each `series/name/analysis`.

    None where there is none, or where one of the two has been analysed again since.
    """
    stored = store["comparisons"].find_one(where(_id=_id(first, second)).filter)
    if stored is None or stored["format"] != FORMAT:
        return None
    about = ComparisonDocument.of(stored)
    found = store["analyses"].find(where().among("_id", [first, second]).filter, {"features_id": 1})
    if {about.first: about.first_features, about.second: about.second_features} != {
        one["_id"]: one["features_id"] for one in found
    }:
        return None
    blocks = store["comparison_columns"].find(where(comparison=about.columns).filter)
    in_order = sorted(map(ComparisonColumnsDocument.of, blocks), key=lambda block: block.start)
    columns = {
        name: np.frombuffer(b"".join(getattr(block, name) for block in in_order), dtype)
        for name, dtype in COLUMNS.items()
    }
    changes = FeatureChanges(**columns)
    return StoredComparison(about, changes) if len(changes.first) == about.n_pairs else None


def _id(first: str, second: str) -> str:
    return f"{first}|{second}"


def _blocks(about: ComparisonDocument, changes: FeatureChanges) -> Iterator[ComparisonColumnsDocument]:
    for start in range(0, about.n_pairs, PAIRS_A_BLOCK):
        arrays = {
            name: getattr(changes, name)[start : start + PAIRS_A_BLOCK].astype(dtype, copy=False).tobytes()
            for name, dtype in COLUMNS.items()
        }
        yield ComparisonColumnsDocument(comparison=about.columns, pair=about.id, start=start, **arrays)
