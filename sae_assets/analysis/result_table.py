"""Tables of results, one row a feature: Parquet written as a stream, with what they are about in its metadata."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from jaxtyping import Bool, Int, Shaped
from upath import UPath

from sae_assets.disk.atomic import atomic_write
from sae_assets.settings.errors import UserError

ROWS_A_GROUP = 1024
"""Features in a row group; what is written at a time."""
About = TypeVar("About")
_DAMAGE = (OSError, pa.ArrowException, KeyError, ValueError, TypeError)


class ResultTable(NamedTuple):
    """A table as it was written."""

    columns: pa.Table
    """One row a feature."""
    metadata: dict[str, Any]
    """What the table is about."""


def blocks_of(n_features: int) -> Iterator[slice]:
    """The features of each row group."""
    return (slice(first, min(first + ROWS_A_GROUP, n_features)) for first in range(0, n_features, ROWS_A_GROUP))


def write_table(path: UPath, blocks: Iterator[pa.Table], key: bytes, metadata: Mapping[str, Any]) -> None:
    """Writes the blocks as they come, a row group each, all of the first one's schema; there must be one.

    `metadata` is kept as JSON in the schema's metadata under `key`. The file appears when it is whole.
    """
    first = next(blocks)
    schema = first.schema.with_metadata({key: json.dumps(metadata)})
    with (
        atomic_write(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for block in chain([first], blocks):
            writer.write_table(block.replace_schema_metadata(schema.metadata), row_group_size=ROWS_A_GROUP)


def table_about(path: UPath, key: bytes, about: Callable[[dict[str, Any]], About]) -> About | None:
    """What a table's metadata says, its rows not read; None where there is no such file, or only a damaged one."""
    try:
        with path.open("rb") as file:
            return about(json.loads((pq.read_metadata(file).metadata or {})[key]))
    except _DAMAGE:
        return None


@contextmanager
def open_table(path: UPath, key: bytes, asset: str) -> Iterator[ResultTable]:
    """The whole table, its pages' checksums verified.

    Raises:
        UserError: the file is missing or damaged, or lacks what is looked for in it; it names the asset to run.
    """
    try:
        with path.open("rb") as file:
            columns = pq.ParquetFile(file, page_checksum_verification=True).read()
        yield ResultTable(columns, json.loads((columns.schema.metadata or {})[key]))
    except _DAMAGE:
        raise UserError(
            f"The file {str(path)!r} is missing or damaged; delete what is there of it and run `{asset}` again."
        ) from None


def list_column(values: pa.Array | np.ndarray, n_values: Int[np.ndarray, "row"]) -> pa.Array:
    """A list for each row, out of the values of all rows and the number of them in each."""
    offsets = np.concatenate([[0], np.cumsum(n_values)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values))


def matrix_column(values: Shaped[np.ndarray, "row column"]) -> pa.Array:
    """A list for each row, all of one length."""
    return list_column(values.reshape(-1), np.full(len(values), values.shape[1]))


def flat(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of all lists, one after the other."""
    return pc.call_function("list_flatten", [column])


def lengths(column: pa.ChunkedArray) -> Int[np.ndarray, "row"]:
    """The length of each list."""
    return pc.call_function("list_value_length", [column]).to_numpy()


def matrix(column: pa.ChunkedArray, n_columns: int) -> Shaped[np.ndarray, "row column"]:
    """The rows of a column whose lists are all of one length."""
    return flat(column).to_numpy().reshape(len(column), n_columns)


def struct_lists(exists: Bool[np.ndarray, "row slot"], fields: Mapping[str, pa.Array | np.ndarray]) -> pa.Array:
    """For each row the list of what exists in its slots, the first ones of the row; `fields` are in row-major order."""
    structs = pa.StructArray.from_arrays([pa.array(values) for values in fields.values()], names=list(fields))
    return list_column(structs, exists.sum(1))


class StructLists(NamedTuple):
    """A column of lists of structs, read back into slots."""

    exists: Bool[np.ndarray, "row slot"]
    """Which slots hold something; the first ones of each row."""
    fields: pa.Table
    """The fields of what they hold, in row-major order."""

    @staticmethod
    def of(column: pa.ChunkedArray, n_slots: int) -> StructLists:
        """The lists of a column, which are at most `n_slots` long."""
        exists = np.arange(n_slots) < lengths(column)[:, None]
        return StructLists(exists, pa.Table.from_struct_array(flat(column)))

    def placed(self, name: str, missing: int) -> Shaped[np.ndarray, "row slot"]:
        """A field of numbers in its slots, and `missing` where there is nothing."""
        values = self.fields[name].to_numpy()
        table = np.full(self.exists.shape, missing, dtype=values.dtype)
        table[self.exists] = values
        return table
