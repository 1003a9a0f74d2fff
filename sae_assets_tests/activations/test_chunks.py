"""The folder of chunks knows which of them are whole, and batches hold every context in order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sae_assets.activations import ActivationBatch
from sae_assets.activations.batch import NotFiniteError
from sae_assets.activations.chunk_file import (
    LARGEST_CHUNK_BYTES,
    ChunkFormat,
    DamagedChunkError,
)
from sae_assets.activations.chunks import CHUNK_BYTES, MANIFEST, ChunkFolder, Manifest, rebatched, refuse_not_finite
from sae_assets.disk.room import FullDiskError
from sae_assets_tests.disk.small_disk import small_disk

HOOK_POINT = "blocks.0.hook_resid_post"


def make_batch(n_contexts: int = 5, size: int = 4, d_model: int = 3, first: int = 0) -> ActivationBatch:
    return ActivationBatch(
        torch.arange(first, first + n_contexts),
        torch.arange(n_contexts * size).view(n_contexts, size),
        torch.ones(n_contexts, size, dtype=torch.bool),
        torch.randn(n_contexts, size, d_model, generator=torch.Generator().manual_seed(first)),
    )


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
