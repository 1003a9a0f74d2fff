"""`explanations.parquet`: the explanations of an analysis, one row a feature, for those who read tables."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from sae_assets.disk.atomic import atomic_write
from sae_assets.store.kept_documents import ExplanationDocument

SCORE = pa.struct([("scorer", pa.string()), ("value", pa.float64()), ("n", pa.int64()), ("n_unparsable", pa.int64())])
SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("text", pa.string()),
        ("consistency", pa.int64()),
        ("complexity", pa.int64()),
        ("scores", pa.list_(SCORE)),
        ("explainer", pa.string()),
        ("model", pa.string()),
        ("is_by_hand", pa.bool_()),
        ("created_at", pa.timestamp("ms", tz="UTC")),
    ]
)


def write_explanations(path: UPath, explanations: Iterable[ExplanationDocument]) -> None:
    """Writes all explanations, in place of the file that is there; prompts and answers stay in the store."""
    rows = [explanation.model_dump(include=set(SCHEMA.names)) for explanation in explanations]
    with atomic_write(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, compression="zstd")
