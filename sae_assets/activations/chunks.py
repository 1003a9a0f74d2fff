"""The chunks of an activation source at one hook point: made once, resumed after a stop, mended where damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain

import torch
from upath import UPath

from sae_assets.activations.batch import ActivationBatch, NotFiniteError
from sae_assets.activations.chunk_file import (
    LARGEST_CHUNK_BYTES,
    Chunk,
    ChunkFormat,
    DamagedChunkError,
    is_whole,
    read_chunk,
    write_chunk,
)
from sae_assets.disk.atomic import write_json
from sae_assets.disk.room import FullDiskError, free_bytes, in_units

CHUNK_BYTES = 1 << 26
"""Size of a chunk (64 MiB), as near as whole contexts come to it."""
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class ChunkEntry:
    """One chunk that was written."""

    name: str
    """Name of its file."""
    n_contexts: int
    """Contexts in it."""
    checksum: str
    """Checksum of the file's bytes."""


@dataclass(frozen=True)
class Manifest:
    """What a folder of chunks holds."""

    hook_point: str
    """Point of the model."""
    form: ChunkFormat
    """Shape and precision of the activations."""
    contexts_per_chunk: int
    """Contexts in every chunk but the last."""
    n_contexts: int
    """Contexts of the whole source."""
    chunks: tuple[ChunkEntry | None, ...]
    """The chunks in their order; None for one that is still to be made."""

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is written."""
        return None not in self.chunks

    @property
    def n_bytes(self) -> int:
        """Size of the activations of all contexts."""
        return self.n_contexts * self.form.bytes_per_context

    def contexts_of(self, chunk: int) -> range:
        """The numbers of a chunk's contexts."""
        first = chunk * self.contexts_per_chunk
        return range(first, min(first + self.contexts_per_chunk, self.n_contexts))

    def n_positions(self, chunk: int) -> int:
        """Positions of all contexts of a chunk."""
        return len(self.contexts_of(chunk)) * self.form.context_size

    def with_chunk(self, number: int, entry: ChunkEntry | None) -> Manifest:
        """The manifest with one entry replaced."""
        return replace(self, chunks=(*self.chunks[:number], entry, *self.chunks[number + 1 :]))

    @property
    def missing_bytes(self) -> int:
        """Size of the activations that are still to be made."""
        missing = (self.contexts_of(number) for number, entry in enumerate(self.chunks) if entry is None)
        return sum(map(len, missing)) * self.form.bytes_per_context

    @staticmethod
    def empty(hook_point: str, form: ChunkFormat, n_contexts: int, contexts_per_pass: int = 1) -> Manifest:
        """The manifest before the first chunk. A chunk is whole forward passes: only the very last one is filled up."""
        passes = max(1, CHUNK_BYTES // (contexts_per_pass * form.bytes_per_context))
        per_chunk = max(1, min(passes * contexts_per_pass, LARGEST_CHUNK_BYTES // form.bytes_per_context))
        return Manifest(hook_point, form, per_chunk, n_contexts, (None,) * -(-n_contexts // per_chunk))


class ChunkFolder:
    """`chunks/<hook point>/`: the chunk files and their manifest."""

    def __init__(self, path: UPath, hook_point: str):
        self.path, self.hook_point = path, hook_point

    def manifest(self) -> Manifest | None:
        """What the folder says it holds; None where it holds nothing, or its manifest cannot be read."""
        try:
            values = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            form = ChunkFormat(**values.pop("form"))
            chunks = tuple(entry and ChunkEntry(**entry) for entry in values.pop("chunks"))
            found = Manifest(form=form, chunks=chunks, **values)
            return found if len(chunks) == -(-found.n_contexts // found.contexts_per_chunk) else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
            return None

    def verified(self, form: ChunkFormat, n_contexts: int, contexts_per_pass: int = 1) -> Manifest:
        """The manifest for this format, with only the chunks whose bytes are those that were written.

        The chunks that are there may be divided for another size of a forward pass.
        """
        found = self.manifest()
        if found is None or (found.hook_point, found.form, found.n_contexts) != (self.hook_point, form, n_contexts):
            return Manifest.empty(self.hook_point, form, n_contexts, contexts_per_pass)
        whole = (e if e is not None and is_whole(self.path / e.name, e.checksum) else None for e in found.chunks)
        return replace(found, chunks=tuple(whole))

    def check_room(self, manifest: Manifest) -> None:
        """Refuses to begin what the disk has no room for.

        Raises:
            FullDiskError: the missing chunks need more than is free.
        """
        free = free_bytes(self.path)
        if free is not None and free < manifest.missing_bytes:
            raise self.no_room(manifest)

    def no_room(self, manifest: Manifest) -> FullDiskError:
        """The error for a disk that cannot take the missing chunks; those that are there stay."""
        n_made = sum(entry is not None for entry in manifest.chunks)
        return FullDiskError(
            f"The disk is full: the activations in {str(self.path)!r} need {in_units(manifest.missing_bytes)} more and "
            f"{in_units(free_bytes(self.path) or 0)} are free; make room and run again, which goes on behind the "
            f"{n_made} of {len(manifest.chunks)} chunks that are made."
        )

    def write(self, number: int, batches: Sequence[ActivationBatch]) -> ChunkEntry:
        """Writes one chunk out of batches that hold its contexts; it counts once it is noted.

        Raises:
            FullDiskError: it does not fit on the disk; the chunks before stay.
        """
        context_idx = torch.cat([batch.context_idx for batch in batches])
        name = f"{number:05d}.parquet"
        checksum = write_chunk(self.path / name, context_idx, [batch.activations for batch in batches])
        return ChunkEntry(name, len(context_idx), checksum)

    def note(self, manifest: Manifest, number: int, entry: ChunkEntry) -> Manifest:
        """Writes the manifest with a chunk that was written; only one process at a time may."""
        manifest = manifest.with_chunk(number, entry)
        write_json(self.path / MANIFEST, asdict(manifest) | {"form": manifest.form._asdict()})
        return manifest

    def read(self, number: int) -> Chunk:
        """One chunk.

        Raises:
            DamagedChunkError: it is not written yet, missing or damaged.
        """
        manifest = self.manifest()
        entry = manifest.chunks[number] if manifest is not None else None
        if entry is None:
            raise DamagedChunkError(self.path / f"{number:05d}.parquet")
        return read_chunk(self.path / entry.name, entry.checksum)


def refuse_not_finite(batch: ActivationBatch) -> ActivationBatch:
    """The batch itself, or a `NotFiniteError` that names the place."""
    is_bad = batch.mask.to(batch.activations.device) & ~batch.activations.isfinite().all(2)
    if is_bad.any():
        context, position = is_bad.nonzero()[0].tolist()
        raise NotFiniteError(int(batch.context_idx[context]), position)
    return batch


def rebatched(batches: Iterator[ActivationBatch], batch_size: int) -> Iterator[ActivationBatch]:
    """The same contexts in batches of at most `batch_size`; none spans two of those given."""
    return chain.from_iterable(_split(batch, batch_size) for batch in batches)


def _split(batch: ActivationBatch, size: int) -> Iterator[ActivationBatch]:
    for first in range(0, len(batch.context_idx), size):
        rows = slice(first, first + size)
        yield ActivationBatch(batch.context_idx[rows], batch.tokens[rows], batch.mask[rows], batch.activations[rows])
