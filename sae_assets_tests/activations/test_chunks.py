"""A chunk comes back bit for bit or is refused, and its folder knows which chunks are whole."""

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

from sae_assets.activations import ActivationBatch
from sae_assets.activations.batch import NotFiniteError
from sae_assets.activations.chunk_file import (
    FORMAT_KEY,
    LARGEST_CHUNK_BYTES,
    ChunkFormat,
    DamagedChunkError,
    is_whole,
    read_chunk,
    write_chunk,
)
from sae_assets.activations.chunks import CHUNK_BYTES, MANIFEST, ChunkFolder, Manifest, rebatched, refuse_not_finite
from sae_assets.disk.room import FullDiskError
from sae_assets_tests.disk.small_disk import small_disk

BITS = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}
HOOK_POINT = "blocks.0.hook_resid_post"


def random_bits(shape: tuple[int, int, int], dtype: torch.dtype, seed: int) -> torch.Tensor:
    """Any bit pattern, NaN, infinities and subnormal numbers among them."""
    generator = torch.Generator().manual_seed(seed)
    n_bytes = shape[2] * dtype.itemsize
    return torch.randint(0, 256, (*shape[:2], n_bytes), dtype=torch.uint8, generator=generator).view(dtype)


def make_batch(n_contexts: int = 5, size: int = 4, d_model: int = 3, first: int = 0) -> ActivationBatch:
    return ActivationBatch(
        torch.arange(first, first + n_contexts),
        torch.arange(n_contexts * size).view(n_contexts, size),
        torch.ones(n_contexts, size, dtype=torch.bool),
        torch.randn(n_contexts, size, d_model, generator=torch.Generator().manual_seed(first)),
    )


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


def test_a_parquet_file_that_is_no_chunk_is_refused(tmp_path):
    path = UPath(tmp_path / "00000.parquet")
    pq.write_table(pa.table({"context_idx": [1]}), str(path))
    with pytest.raises(DamagedChunkError):
        read_chunk(path, f"xxh3:{xxhash.xxh3_64(path.read_bytes()).hexdigest()}")


@settings(max_examples=60, deadline=None)
@given(n_contexts=st.integers(1, 200), context_bytes=st.integers(1, 50))
def test_the_chunks_of_a_manifest_hold_every_context_once(n_contexts, context_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 400)
        form = ChunkFormat(context_bytes, 1, "torch.float32")
        manifest = Manifest.empty(HOOK_POINT, form, n_contexts)
    contexts = [i for number in range(len(manifest.chunks)) for i in manifest.contexts_of(number)]
    assert contexts == list(range(n_contexts))
    assert manifest.contexts_per_chunk == max(1, 100 // context_bytes)
    assert manifest.n_bytes == n_contexts * context_bytes * 4
    assert not manifest.is_complete


@settings(max_examples=200, deadline=None)
@given(
    n_contexts=st.integers(1, 3000),
    context_size=st.integers(1, 2048),
    d_model=st.integers(1, 4096),
    contexts_per_pass=st.integers(1, 64),
)
def test_only_the_last_pass_of_all_is_filled_up(n_contexts, context_size, d_model, contexts_per_pass):
    form = ChunkFormat(context_size, d_model, "torch.bfloat16")
    manifest = Manifest.empty(HOOK_POINT, form, n_contexts, contexts_per_pass)
    numbers = range(len(manifest.chunks))
    filled = sum(-len(manifest.contexts_of(number)) % contexts_per_pass for number in numbers)
    largest_pass = contexts_per_pass * form.bytes_per_context
    if largest_pass <= LARGEST_CHUNK_BYTES:
        assert filled < contexts_per_pass
    assert manifest.contexts_per_chunk * form.bytes_per_context <= max(CHUNK_BYTES, min(largest_pass, 1 << 30))


def test_chunks_stay_when_the_size_of_a_pass_changes(tmp_path):
    folder, manifest = written_folder(tmp_path)
    assert folder.verified(manifest.form, 6, contexts_per_pass=5) == manifest


def written_folder(path, n_chunks: int = 3) -> tuple[ChunkFolder, Manifest]:
    """A folder of three chunks of two contexts, of which the first `n_chunks` are written."""
    folder = ChunkFolder(UPath(path), HOOK_POINT)
    manifest = Manifest(HOOK_POINT, ChunkFormat(4, 3, "torch.float32"), 2, 6, (None, None, None))
    for number in range(n_chunks):
        entry = folder.write(number, [make_batch(1, first=2 * number + i) for i in range(2)])
        manifest = folder.note(manifest, number, entry)
    return folder, manifest


@pytest.fixture
def two_contexts_a_chunk(monkeypatch):
    monkeypatch.setattr("sae_assets.activations.chunks.CHUNK_BYTES", 2 * 4 * 3 * 4)


def test_a_folder_gives_back_manifest_and_chunks(tmp_path, two_contexts_a_chunk):
    folder, manifest = written_folder(tmp_path)
    assert folder.manifest() == manifest == folder.verified(manifest.form, 6)
    assert manifest.is_complete
    assert folder.read(1).context_idx.tolist() == [2, 3]
    expected = torch.cat([make_batch(1, first=first).activations for first in (2, 3)])
    assert torch.equal(folder.read(1).activations, expected)


def test_an_unfinished_folder_knows_what_is_missing(tmp_path, two_contexts_a_chunk):
    folder, manifest = written_folder(tmp_path, n_chunks=2)
    found = folder.verified(manifest.form, 6)
    assert [entry is None for entry in found.chunks] == [False, False, True]
    with pytest.raises(DamagedChunkError, match=r"00002\.parquet"):
        folder.read(2)


@pytest.mark.parametrize("form", [ChunkFormat(4, 3, "torch.float16"), ChunkFormat(4, 2, "torch.float32")])
def test_chunks_of_another_format_are_not_used(tmp_path, two_contexts_a_chunk, form):
    folder, _ = written_folder(tmp_path)
    assert set(folder.verified(form, 6).chunks) == {None}


def test_chunks_of_other_contexts_are_not_used(tmp_path, two_contexts_a_chunk):
    folder, manifest = written_folder(tmp_path)
    assert set(folder.verified(manifest.form, 7).chunks) == {None}


@pytest.mark.parametrize("contents", ["", "[]", "{}", '{"form": {}, "chunks": []}', "\x00"])
def test_a_damaged_manifest_is_none(tmp_path, contents):
    folder, _ = written_folder(tmp_path)
    (tmp_path / MANIFEST).write_text(contents)
    assert folder.manifest() is None
    with pytest.raises(DamagedChunkError):
        folder.read(0)


NO_ROOM = (
    r"^The disk is full: the activations in '{folder}' need {more} more and \d+\.\d kB are free; make room and run "
    r"again, which goes on behind the {n_made} of 10 chunks that are made\.$"
)


def test_a_full_disk_keeps_the_chunks_before_and_says_what_is_missing(tmp_path):
    form = ChunkFormat(64, 64, "torch.float32")
    with small_disk(tmp_path / "disk", 250_000) as disk:
        folder, n_made = ChunkFolder(UPath(disk / "chunks"), HOOK_POINT), 0
        manifest = Manifest(HOOK_POINT, form, 4, 40, (None,) * 10)
        with pytest.raises(FullDiskError, match=r"the file '.*\d\d\.parquet' did not fit"):
            for n_made in range(10):
                entry = folder.write(n_made, [make_batch(4, 64, 64, first=4 * n_made)])
                manifest = folder.note(manifest, n_made, entry)
        assert 0 < n_made < 9
        found = folder.verified(form, 40)
        assert found == manifest
        assert [entry is not None for entry in found.chunks] == [True] * n_made + [False] * (10 - n_made)
        assert folder.read(n_made - 1).context_idx.tolist() == list(range(4 * n_made - 4, 4 * n_made))
        assert len(list(folder.path.iterdir())) == n_made + 1
        more = f"{(10 - n_made) * 4 * form.bytes_per_context / 1e3:.1f} kB"
        with pytest.raises(FullDiskError, match=NO_ROOM.format(folder=folder.path, more=more, n_made=n_made)):
            folder.check_room(found)


def test_room_is_checked_before_the_first_chunk(tmp_path):
    form = ChunkFormat(64, 64, "torch.float32")
    with small_disk(tmp_path / "disk", 250_000) as disk:
        folder = ChunkFolder(UPath(disk / "not" / "yet"), HOOK_POINT)
        folder.check_room(Manifest.empty(HOOK_POINT, form, 10))
        with pytest.raises(FullDiskError, match=r"need 1\.6 MB more and 2\d\d\.\d kB are free"):
            folder.check_room(Manifest.empty(HOOK_POINT, form, 100))


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_value_that_is_not_finite_is_refused_by_its_place(value):
    batch = make_batch(first=10)
    batch.activations[3, 2, 1] = value
    sentence = r"^The activation at context 13, position 2 is NaN or infinite; run the .* `ignore_positions`\.$"
    with pytest.raises(NotFiniteError, match=sentence):
        refuse_not_finite(batch)
    batch.mask[3, 2] = False
    assert refuse_not_finite(batch) is batch


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), max_size=5), batch_size=st.integers(1, 10))
def test_batches_of_chunks_hold_every_context_in_order(sizes, batch_size):
    chunks = [make_batch(n, first=sum(sizes[:i])) for i, n in enumerate(sizes)]
    batches = list(rebatched(iter(chunks), batch_size))
    assert [int(i) for batch in batches for i in batch.context_idx] == list(range(sum(sizes)))
    assert all(1 <= len(batch.context_idx) <= batch_size for batch in batches)
    for name in ("tokens", "mask", "activations"):
        whole = [getattr(part, name) for part in chunks]
        if whole:
            assert torch.equal(torch.cat([getattr(batch, name) for batch in batches]), torch.cat(whole))
