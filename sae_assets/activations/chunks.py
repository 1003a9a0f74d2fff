"""The chunks of an activation source at one hook point: made once, resumed after a stop, mended where damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain

import torch
from upath import UPath

from sae_assets.activations.batch import ActivationBatch, NotFiniteError
from sae_assets.activations.chunk_file import Chunk, ChunkFormat, DamagedChunkError, is_whole, read_chunk, write_chunk
from sae_assets.disk.atomic import write_json

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

    def with_chunk(self, number: int, entry: ChunkEntry | None) -> Manifest:
        """The manifest with one entry replaced."""
        return replace(self, chunks=(*self.chunks[:number], entry, *self.chunks[number + 1 :]))

    @staticmethod
    def empty(hook_point: str, form: ChunkFormat, n_contexts: int) -> Manifest:
        """The manifest before the first chunk."""
        per_chunk = max(1, CHUNK_BYTES // form.bytes_per_context)
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
            return Manifest(form=form, chunks=chunks, **values)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def verified(self, form: ChunkFormat, n_contexts: int) -> Manifest:
        """The manifest for this format, with only the chunks whose bytes are those that were written."""
        expected = Manifest.empty(self.hook_point, form, n_contexts)
        found = self.manifest()
        if found is None or replace(found, chunks=expected.chunks) != expected:
            return expected
        whole = (e if e is not None and is_whole(self.path / e.name, e.checksum) else None for e in found.chunks)
        return replace(expected, chunks=tuple(whole))

    def write(self, manifest: Manifest, number: int, batches: Iterator[ActivationBatch]) -> Manifest:
        """Writes one chunk out of batches that hold its contexts, and notes it in the manifest.

        Raises:
            NotFiniteError: an activation of a token that counts is NaN or infinite.
            OSError: the disk is full; the chunks before stay.
        """
        parts = [refuse_not_finite(batch) for batch in batches]
        chunk = Chunk(
            torch.cat([part.context_idx for part in parts]), torch.cat([part.activations.cpu() for part in parts])
        )
        name = f"{number:05d}.parquet"
        checksum = write_chunk(self.path / name, chunk)
        manifest = manifest.with_chunk(number, ChunkEntry(name, len(chunk.context_idx), checksum))
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
