"""`export parquet`: features, samples and neighbours as three tables for SQL, polars and pandas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sae_assets.engine.progress import Progress, silent
from sae_assets.export.features import every_feature
from sae_assets.export.folder import Exported, write_folder
from sae_assets.export.parquet_columns import (
    NEIGHBOURS,
    SAMPLES,
    feature_row,
    features_schema,
    neighbour_rows,
    sample_rows,
)
from sae_assets.store.connection import Store
from sae_assets.store.explanations import each_explanation, known_scores
from sae_assets.store.features import StoredFeature
from sae_assets.store.lookup import FoundAnalysis

METADATA_KEY = b"sae_assets.export"
ROWS_A_GROUP = 2048
"""Rows in a row group; what is held in memory of each table, some MB of samples."""


def export_parquet(store: Store, found: FoundAnalysis, folder: Path, progress: Progress = silent) -> Exported:
    """Writes `features.parquet`, `samples.parquet` and `neighbours.parquet`, with all features of an analysis.

    Memory does not grow with the number of features. The columns are in `parquet_columns`.

    Raises:
        UserError: the folder holds something else, or another run replaced the analysis meanwhile.
    """

    def write(part: Path) -> Mapping[str, int]:
        scorers = _scorers(store, found)
        about = {"analysis": found.analysis.id, "n_analyzed_tokens": found.analysis.n_analyzed_tokens}
        with ExitStack() as files:
            tables = {
                name: files.enter_context(_Table(part / f"{name}.parquet", schema, about, rows))
                for name, schema, rows in (
                    ("features", features_schema(scorers), lambda feature: [feature_row(feature, scorers)]),
                    ("samples", SAMPLES, sample_rows),
                    ("neighbours", NEIGHBOURS, neighbour_rows),
                )
            }
            for feature in every_feature(store, found, progress):
                for table in tables.values():
                    table.add(feature)
        return {name: table.n_rows for name, table in tables.items()}

    return write_folder(folder, "parquet", found.analysis.id, write)


class _Table:
    """A file that is written a row group at a time; closed at the end of a `with` block."""

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        about: Mapping[str, Any],
        rows: Callable[[StoredFeature], Iterable[dict[str, Any]]],
    ):
        self.n_rows = 0
        self._schema, self._rows = schema, rows
        self._waiting: list[dict[str, Any]] = []
        described = schema.with_metadata({METADATA_KEY: json.dumps(about)})
        self._writer = pq.ParquetWriter(path, described, compression="zstd", write_page_checksum=True)

    def add(self, feature: StoredFeature) -> None:
        self._waiting += self._rows(feature)
        if len(self._waiting) >= ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        self._writer.write_table(pa.Table.from_pylist(self._waiting, self._schema))
        self.n_rows += len(self._waiting)
        self._waiting = []

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            self._flush()
        self._writer.close()


def _scorers(store: Store, found: FoundAnalysis) -> list[str]:
    """The scorers that gave some explanation a value."""
    explanations = each_explanation(store, found.sae.id, found.analysis.name)
    return sorted({scorer for explanation in explanations for scorer in known_scores(explanation)})
