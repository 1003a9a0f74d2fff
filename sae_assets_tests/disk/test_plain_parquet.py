"""Pyarrow reads what lies between the pieces, and the values lie where they can be mapped."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.disk.plain_parquet import ALIGNMENT, PlainColumn, around


def file_of(columns: list[PlainColumn], values: list[bytes], n_rows: int, metadata: dict[str, str]) -> bytes:
    *before, behind = around(columns, n_rows, metadata)
    return b"".join(piece for pair in zip(before, values, strict=True) for piece in pair) + behind


@given(
    n_rows=st.one_of(st.integers(1, 300), st.sampled_from([8191, 8192, 70_000])),
    width=st.integers(1, 40),
    metadata=st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=200), max_size=3),
    seed=st.integers(0, 1000),
)
def test_pyarrow_reads_numbers_and_bytes(n_rows, width, metadata, seed):
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-(1 << 62), 1 << 62, n_rows)
    rows = rng.integers(0, 256, (n_rows, width), dtype=np.uint8)
    columns = [PlainColumn("number", 8, is_number=True), PlainColumn("特征", width)]
    contents = file_of(columns, [numbers.tobytes(), rows.tobytes()], n_rows, metadata)
    table = pq.read_table(pa.BufferReader(contents), page_checksum_verification=True)
    assert table.schema.names == ["number", "特征"]
    assert table.schema.types == [pa.int64(), pa.binary(width)]
    assert table["number"].to_numpy().tolist() == numbers.tolist()
    assert table["特征"].to_pylist() == [row.tobytes() for row in rows]
    assert {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()} == metadata


@given(n_rows=st.integers(1, 300), widths=st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_the_values_of_every_column_are_aligned(n_rows, widths):
    columns = [PlainColumn(f"column {i}", width) for i, width in enumerate(widths)]
    *before, _ = around(columns, n_rows, {})
    position = 0
    for column, piece in zip(columns, before, strict=True):
        position += len(piece)
        assert position % ALIGNMENT == 0
        position += n_rows * column.width


def test_a_column_larger_than_a_page_is_refused():
    with pytest.raises(ValueError, match="2 GiB"):
        around([PlainColumn("column", 1 << 20)], 1 << 11, {})
