"""A chunk comes back bit for bit, whole or a few rows of it, or is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sae_assets.activations.chunk_file import (
    FORMAT_KEY,
    ChunkFormat,
    DamagedChunkError,
    is_whole,
    read_chunk,
    read_rows,
    write_chunk,
)

BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}


def random_bits(shape: tuple[int, int, int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Any bit pattern, NaN, infinities and subnormal numbers among them."""
    generator = torch.Generator().manual_seed(seed)
    n_bytes = shape[2] * dtype.itemsize
    return torch.randint(0, 256, (*shape[:2], n_bytes), dtype=torch.uint8, generator=generator).view(dtype)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from(list(BITS)),
    seed=st.integers(0, 10**6),
)
def test_a_chunk_comes_back_bit_for_bit(tmp_path_factory, shape, dtype, seed):
    path = UPath(tmp_path_factory.getbasetemp() / "chunk.parquet")
    context_idx = torch.arange(shape[0]) + seed
    activations = random_bits(shape, dtype, seed)
    chunk = read_chunk(path, write_chunk(path, context_idx, [activations]))
    assert torch.equal(chunk.context_idx, context_idx)
    assert (chunk.activations.dtype, chunk.activations.shape) == (dtype, shape)
    assert torch.equal(chunk.activations.view(BITS[dtype]), activations.view(BITS[dtype]))


def test_activations_that_are_not_contiguous_are_written_right(tmp_path):
    path = UPath(tmp_path / "chunk.parquet")
    activations = random_bits((6, 4, 5), torch.float16, 0).transpose(0, 2)[::2]
    chunk = read_chunk(path, write_chunk(path, torch.arange(3), [activations]))
    assert torch.equal(chunk.activations.view(torch.int16), activations.contiguous().view(torch.int16))


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), dtype=st.sampled_from(list(BITS)))
def test_the_file_does_not_depend_on_the_parts_it_is_written_from(tmp_path_factory, sizes, dtype):
    path = UPath(tmp_path_factory.getbasetemp() / "chunk.parquet")
    activations = random_bits((sum(sizes), 3, 5), dtype, 0)
    in_one = write_chunk(path, torch.arange(sum(sizes)), [activations])
    assert write_chunk(path, torch.arange(sum(sizes)), activations.split(sizes)) == in_one


@pytest.mark.parametrize(("shape", "dtype"), [((7, 4, 5), torch.float32), ((3000, 2, 3), torch.bfloat16)])
def test_pyarrow_reads_one_row_a_context(tmp_path, shape, dtype):
    activations = random_bits(shape, dtype, 0)
    write_chunk(UPath(tmp_path / "chunk.parquet"), torch.arange(shape[0]) + 9, [activations])
    table = pq.read_table(tmp_path / "chunk.parquet")
    assert table["context_idx"].to_pylist() == list(range(9, 9 + shape[0]))
    assert table["activations"].to_pylist() == [row.view(torch.uint8).numpy().tobytes() for row in activations]
    assert json.loads(table.schema.metadata[FORMAT_KEY]) == {
        "context_size": shape[1],
        "d_model": shape[2],
        "dtype": str(dtype),
    }


def test_writing_to_what_was_read_changes_no_file(tmp_path):
    path = UPath(tmp_path / "chunk.parquet")
    written = write_chunk(path, torch.arange(2), [torch.ones(2, 3, 4)])
    activations = read_chunk(path, written).activations
    activations.zero_()
    assert (activations == 0).all()
    assert (read_chunk(path, written).activations == 1).all()


@pytest.mark.parametrize("n_contexts", [3, 5000])
def test_a_chunk_of_an_earlier_version_is_read(tmp_path, n_contexts):
    path = UPath(tmp_path / "chunk.parquet")
    activations = random_bits((n_contexts, 2, 100), torch.float16, 0)
    values = pa.py_buffer(activations.view(torch.uint8).numpy())
    rows = pa.Array.from_buffers(pa.binary(400), n_contexts, [None, values])
    form = {FORMAT_KEY: json.dumps(ChunkFormat.of(activations)._asdict())}
    table = pa.table({"context_idx": np.arange(n_contexts), "activations": rows}).replace_schema_metadata(form)
    pq.write_table(table, str(path), compression="none", use_dictionary=False, write_statistics=False)
    chunk = read_chunk(path, f"xxh3:{xxhash.xxh3_64(path.read_bytes()).hexdigest()}")
    assert torch.equal(chunk.activations.view(torch.int16), activations.view(torch.int16))
    last_and_first = read_rows(path, [n_contexts - 1, 0])
    assert torch.equal(last_and_first.view(torch.int16), activations[[-1, 0]].view(torch.int16))


@settings(max_examples=30, deadline=None)
@given(shape=st.tuples(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9)), data=st.data())
def test_rows_of_a_chunk_are_read_in_any_order(tmp_path_factory, shape, data):
    path = UPath(tmp_path_factory.getbasetemp() / "chunk.parquet")
    activations = random_bits(shape, torch.bfloat16, 0)
    write_chunk(path, torch.arange(shape[0]), [activations])
    rows = data.draw(st.lists(st.integers(0, shape[0] - 1), min_size=1))
    assert torch.equal(read_rows(path, rows).view(torch.int16), activations[rows].view(torch.int16))
    with pytest.raises(DamagedChunkError):
        read_rows(path, [shape[0]])


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0), flip=st.integers(1, 255))
def test_a_changed_byte_is_found(tmp_path_factory, place, flip):
    path = UPath(tmp_path_factory.getbasetemp() / "chunk.parquet")
    written = write_chunk(path, torch.arange(2), [torch.zeros(2, 3, 4)])
    contents = bytearray(path.read_bytes())
    contents[place % len(contents)] ^= flip
    path.write_bytes(bytes(contents))
    assert not is_whole(path, written)
    with pytest.raises(DamagedChunkError):
        read_chunk(path, written)


@pytest.mark.parametrize("n_bytes", [None, 0, 4, 200, -1])
def test_a_truncated_or_missing_chunk_is_one_sentence(tmp_path, n_bytes):
    path = UPath(tmp_path / "00000.parquet")
    written = write_chunk(path, torch.arange(2), [torch.zeros(2, 3, 4)])
    assert is_whole(path, written)
    contents = path.read_bytes()
    path.unlink() if n_bytes is None else path.write_bytes(contents[:n_bytes])
    assert not is_whole(path, written)
    sentence = r"^The chunk '.*00000\.parquet' is missing or damaged; make `activation_chunks` again, which mends it\.$"
    with pytest.raises(DamagedChunkError, match=sentence):
        read_chunk(path, written)
    with pytest.raises(DamagedChunkError, match=sentence):
        read_rows(path, [0])


def test_a_parquet_file_that_is_no_chunk_is_refused(tmp_path):
    path = UPath(tmp_path / "00000.parquet")
    pq.write_table(pa.table({"context_idx": [1]}), str(path))
    with pytest.raises(DamagedChunkError):
        read_chunk(path, f"xxh3:{xxhash.xxh3_64(path.read_bytes()).hexdigest()}")
    with pytest.raises(DamagedChunkError):
        read_rows(path, [0])
