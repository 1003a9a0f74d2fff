"""`contexts.parquet`: the contexts of an activation source, written as a stream and read by their numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int32
from upath import UPath

from sae_assets.activations.context import Context
from sae_assets.disk.atomic import atomic_write
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError

ROWS_A_GROUP = 1024
"""Contexts in a row group, so that a context's number says where it lies."""
REPORT_KEY = b"sae_assets.contexts"


@dataclass(frozen=True)
class ContextsReport:
    """What was cut from the documents."""

    n_contexts: int
    """Contexts written."""
    n_tokens: int
    """Tokens that count."""
    n_positions: int
    """Positions of all contexts, those that do not count included."""
    n_characters: int
    """Characters of all contexts' texts."""
    token_budget: int | None
    """Tokens that were asked for."""

    @property
    def context_size(self) -> int:
        """Positions of each context."""
        return self.n_positions // max(self.n_contexts, 1)

    @property
    def is_short(self) -> bool:
        """Whether the documents held fewer tokens than were asked for."""
        return self.token_budget is not None and self.n_tokens < self.token_budget


class TokenTable(NamedTuple):
    """Token ids and masks of consecutive contexts."""

    tokens: Int32[np.ndarray, "context position"]
    """Token ids."""
    mask: Bool[np.ndarray, "context position"]
    """Whether the token counts."""


def write_contexts(
    contexts: Iterable[Context], path: UPath, token_budget: int | None, progress: Progress = silent
) -> ContextsReport:
    """Writes contexts as they come; memory does not grow with their number. The file appears when it is whole.

    Raises:
        UserError: there is no context, or no token in them counts.
    """
    stream = iter(contexts)
    n_contexts = n_tokens = n_positions = n_characters = 0
    progress(Step("contexts", 0, token_budget, "tokens"))
    with atomic_write(path) as temporary:
        writer = None
        try:
            while rows := list(islice(stream, ROWS_A_GROUP)):
                if writer is None:
                    schema = _schema(len(rows[0].tokens))
                    writer = pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True)
                writer.write_table(_table(rows, writer.schema), row_group_size=ROWS_A_GROUP)
                n_contexts += len(rows)
                n_tokens += sum(int(row.mask.sum()) for row in rows)
                n_positions += sum(len(row.tokens) for row in rows)
                n_characters += sum(len(row.text) for row in rows)
                progress(Step("contexts", n_tokens, token_budget, "tokens"))
            if writer is None or n_tokens == 0:
                raise UserError("There is no token to analyse: the datasets are empty or every token is ignored.")
            report = ContextsReport(n_contexts, n_tokens, n_positions, n_characters, token_budget)
            writer.add_key_value_metadata({REPORT_KEY: json.dumps(asdict(report)).encode()})
        finally:
            if writer is not None:
                writer.close()
    return report


def contexts_report(path: UPath) -> ContextsReport | None:
    """What a contexts file holds; None where there is none, or only a damaged one."""
    try:
        with path.open("rb") as file:
            metadata = pq.read_metadata(file).metadata or {}
        return ContextsReport(**json.loads(metadata[REPORT_KEY]))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        return None


def read_token_table(path: UPath, contexts: range) -> TokenTable:
    """Token ids and masks of consecutive contexts; only their row groups are read.

    Raises:
        UserError: the file is missing or damaged.
    """
    groups = range(contexts.start // ROWS_A_GROUP, -(-contexts.stop // ROWS_A_GROUP))
    with _opened(path) as parquet:
        table = parquet.read_row_groups(list(groups), columns=["tokens", "mask"])
    table = table.slice(contexts.start - groups.start * ROWS_A_GROUP, len(contexts))
    size = table.schema.field("tokens").type.list_size
    columns = [
        np.concatenate([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in table[name].chunks])
        for name in ("tokens", "mask")
    ]
    return TokenTable(columns[0].reshape(-1, size), columns[1].reshape(-1, size))


def read_contexts(path: UPath, context_idx: Sequence[int] | None = None) -> Iterator[Context]:
    """The contexts with these numbers by rising number, or all of them; only their row groups are read.

    Raises:
        UserError: the file is missing or damaged.
    """
    wanted = None if context_idx is None else sorted(set(context_idx))
    with _opened(path) as parquet:
        groups = range(parquet.num_row_groups) if wanted is None else sorted({i // ROWS_A_GROUP for i in wanted})
        for group in groups:
            table = parquet.read_row_group(group)
            if wanted is not None:
                rows = [i - group * ROWS_A_GROUP for i in wanted if i // ROWS_A_GROUP == group]
                table = table.take(pa.array(rows, pa.int64()))
            yield from _contexts(table)


def damaged_contexts(path: UPath) -> UserError:
    """The error for a contexts file that cannot be read."""
    return UserError(
        f"The contexts {str(path)!r} are missing or damaged; delete the file and make `tokenized_contexts` again."
    )


@contextmanager
def _opened(path: UPath) -> Iterator[pq.ParquetFile]:
    """The file for reading; pages whose checksum does not hold are a UserError."""
    try:
        with path.open("rb") as file:
            yield pq.ParquetFile(file, page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException):
        raise damaged_contexts(path) from None


def _contexts(table: pa.Table) -> Iterator[Context]:
    size = table.schema.field("tokens").type.list_size
    arrays = {
        name: np.asarray(table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)).reshape(-1, size)
        for name in ("tokens", "starts", "stops", "mask")
    }
    plain = {name: table[name].to_pylist() for name in ("context_idx", "dataset", "document_idx", "text")}
    for row in range(table.num_rows):
        yield Context(
            **{name: values[row] for name, values in plain.items()},
            **{name: values[row] for name, values in arrays.items()},
        )


def _schema(size: int) -> pa.Schema:
    numbers, truths = pa.list_(pa.int32(), size), pa.list_(pa.bool_(), size)
    return pa.schema(
        [
            ("context_idx", pa.int64()),
            ("dataset", pa.string()),
            ("document_idx", pa.int64()),
            ("text", pa.string()),
            ("tokens", numbers),
            ("starts", numbers),
            ("stops", numbers),
            ("mask", truths),
        ]
    )


def _table(rows: Sequence[Context], schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = [getattr(row, field.name) for row in rows]
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(np.concatenate(values), field.type.value_type)
            columns.append(pa.FixedSizeListArray.from_arrays(flat, field.type.list_size))
        else:
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)
