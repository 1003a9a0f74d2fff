"""What stands around the values of a Parquet file whose columns lie in it as they lie in memory.

A column is one page, neither compressed nor encoded, so that its values are written and mapped without a copy. Pyarrow
writes such a page through three copies, at a third of the speed, and aligns nothing; any reader of Parquet reads it.

The format is `parquet.thrift` of https://github.com/apache/parquet-format, in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAGIC = b"PAR1"
ALIGNMENT = 64
"""The place of a column's values in the file is a multiple of this."""

_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
"""Types of Thrift."""
_INT64, _FIXED_LEN_BYTE_ARRAY = 2, 7
_REQUIRED, _UNCOMPRESSED, _DATA_PAGE, _PLAIN, _RLE = 0, 0, 0, 0, 3


class PlainColumn(NamedTuple):
    """A column without nulls."""

    name: str
    """Its name."""
    width: int
    """Bytes of a row."""
    is_number: bool = False
    """Whether a row is a 64-bit integer, little-endian; else it is any bytes."""

    @property
    def kind(self) -> int:
        """Its type in Parquet."""
        return _INT64 if self.is_number else _FIXED_LEN_BYTE_ARRAY


def around(columns: Sequence[PlainColumn], n_rows: int, metadata: Mapping[str, str]) -> list[bytes]:
    """What stands before the values of each column, and behind those of the last one.

    Raises:
        ValueError: a column has 2 GiB or more, which a page cannot hold.
    """
    pieces, chunks, position = [], [], 0
    for column in columns:
        n_bytes = n_rows * column.width
        if n_bytes >= 1 << 31:
            raise ValueError(f"the column {column.name!r} of {n_bytes} bytes is not smaller than 2 GiB")
        header = _page_header(n_bytes, n_rows)
        magic = b"" if pieces else MAGIC
        filling = bytes(-(position + len(magic) + len(header)) % ALIGNMENT)  # readers go by offsets and never see it
        pieces.append(magic + filling + header)
        position += len(pieces[-1])
        chunks.append(_column_chunk(column, n_rows, position - len(header), len(header) + n_bytes))
        position += n_bytes
    footer = _footer(columns, n_rows, metadata, chunks)
    return [*pieces, footer + len(footer).to_bytes(4, "little") + MAGIC]


def _page_header(n_bytes: int, n_rows: int) -> bytes:
    data_page = {1: (_I32, n_rows), 2: (_I32, _PLAIN), 3: (_I32, _RLE), 4: (_I32, _RLE)}
    return _encoded(_STRUCT, {1: (_I32, _DATA_PAGE), 2: (_I32, n_bytes), 3: (_I32, n_bytes), 5: (_STRUCT, data_page)})


def _column_chunk(column: PlainColumn, n_rows: int, offset: int, n_bytes: int) -> dict[int, tuple[int, Any]]:
    about = {
        1: (_I32, column.kind),
        2: (_LIST, (_I32, [_PLAIN])),
        3: (_LIST, (_BINARY, [column.name.encode()])),
        4: (_I32, _UNCOMPRESSED),
        5: (_I64, n_rows),
        6: (_I64, n_bytes),
        7: (_I64, n_bytes),
        9: (_I64, offset),
    }
    return {2: (_I64, offset), 3: (_STRUCT, about)}


def _footer(
    columns: Sequence[PlainColumn],
    n_rows: int,
    metadata: Mapping[str, str],
    chunks: Sequence[dict[int, tuple[int, Any]]],
) -> bytes:
    schema: list[dict[int, tuple[int, Any]]] = [{4: (_BINARY, b"schema"), 5: (_I32, len(columns))}]
    for column in columns:
        width = {} if column.is_number else {2: (_I32, column.width)}
        name = {3: (_I32, _REQUIRED), 4: (_BINARY, column.name.encode())}
        schema.append({1: (_I32, column.kind), **width, **name})
    n_bytes = n_rows * sum(column.width for column in columns)
    row_group = {1: (_LIST, (_STRUCT, chunks)), 2: (_I64, n_bytes), 3: (_I64, n_rows)}
    pairs = [{1: (_BINARY, key.encode()), 2: (_BINARY, value.encode())} for key, value in metadata.items()]
    fields = {
        1: (_I32, 1),
        2: (_LIST, (_STRUCT, schema)),
        3: (_I64, n_rows),
        4: (_LIST, (_STRUCT, [row_group])),
        5: (_LIST, (_STRUCT, pairs)),
        6: (_BINARY, b"sae_assets"),
    }
    return _encoded(_STRUCT, fields)


def _encoded(kind: int, value: Any) -> bytes:
    """A value in the compact protocol: an integer, bytes, (type, values), or {field: (type, value)} by rising field."""
    if kind == _BINARY:
        return _varint(len(value)) + value
    if kind == _LIST:
        of, values = value
        assert len(values) < 15
        return bytes([len(values) << 4 | of]) + b"".join(_encoded(of, item) for item in values)
    if kind == _STRUCT:
        parts, before = [], 0
        for field, (of, item) in value.items():
            parts += [bytes([(field - before) << 4 | of]), _encoded(of, item)]
            before = field
        return b"".join(parts) + b"\0"
    return _varint(value << 1)  # zigzag, of what is never negative


def _varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + _varint(rest) if rest else bytes([low])
