"""One chunk: the activations of consecutive contexts as a Parquet file, one row a context."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import xxhash
from jaxtyping import Float, Int64
from torch import Tensor
from upath import UPath

from sae_assets.disk.atomic import atomic_write, is_local
from sae_assets.settings.errors import UserError
from sae_assets.settings.model import torch_dtype

FORMAT_KEY = b"sae_assets.chunk"


class DamagedChunkError(UserError):
    """A chunk that is missing or is not what was written."""

    def __init__(self, path: UPath):
        super().__init__(
            f"The chunk {str(path)!r} is missing or damaged; make `activation_chunks` again, which mends it."
        )


class ChunkFormat(NamedTuple):
    """What all chunks of a folder have in common."""

    context_size: int
    """Positions in a context."""
    d_model: int
    """Width of the activations."""
    dtype: str
    """Precision of the stored activations: "torch.bfloat16"."""

    @property
    def bytes_per_context(self) -> int:
        """Size of a row."""
        return self.context_size * self.d_model * torch_dtype(self.dtype).itemsize

    @staticmethod
    def of(activations: Float[Tensor, "context position d_model"]) -> ChunkFormat:
        """The format of these activations."""
        return ChunkFormat(activations.shape[1], activations.shape[2], str(activations.dtype))


class Chunk(NamedTuple):
    """The activations of consecutive contexts."""

    context_idx: Int64[Tensor, "context"]
    """Which contexts."""
    activations: Float[Tensor, "context position d_model"]
    """Their activations, in the stored precision, on the CPU."""


def write_chunk(path: UPath, chunk: Chunk) -> str:
    """Writes a chunk atomically and returns the checksum of its bytes."""
    form = ChunkFormat.of(chunk.activations)
    rows = chunk.activations.contiguous().cpu().view(torch.uint8).numpy()
    column = pa.Array.from_buffers(pa.binary(form.bytes_per_context), len(rows), [None, pa.py_buffer(rows)])
    table = pa.table({"context_idx": chunk.context_idx.numpy(), "activations": column})
    table = table.replace_schema_metadata({FORMAT_KEY: json.dumps(form._asdict())})
    with atomic_write(path) as temporary:
        # Activations are noise to a compressor; plain pages are read without a copy.
        pq.write_table(table, temporary, compression="none", use_dictionary=False, write_statistics=False)
        return _checksum(pa.memory_map(str(temporary)).read_buffer())


def read_chunk(path: UPath, checksum: str) -> Chunk:
    """The chunk in a file; local files are memory-mapped.

    Raises:
        DamagedChunkError: the file is missing, or its bytes are not those that were written.
    """
    try:
        buffer = _buffer(path)
        if _checksum(buffer) != checksum:
            raise DamagedChunkError(path)
        table = pq.read_table(pa.BufferReader(buffer))
        form = ChunkFormat(**json.loads((table.schema.metadata or {})[FORMAT_KEY]))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        raise DamagedChunkError(path) from None
    column = table["activations"].combine_chunks()
    n_bytes, offset = table.num_rows * form.bytes_per_context, column.offset * form.bytes_per_context
    flat = torch.frombuffer(column.buffers()[1], dtype=torch.uint8, count=n_bytes, offset=offset)
    activations = flat.view(torch_dtype(form.dtype)).view(-1, form.context_size, form.d_model)
    return Chunk(torch.from_numpy(table["context_idx"].to_numpy().copy()), activations)


def is_whole(path: UPath, checksum: str) -> bool:
    """Whether the file is there with the bytes that were written."""
    try:
        return _checksum(_buffer(path)) == checksum
    except OSError:
        return False


def _buffer(path: UPath) -> pa.Buffer:
    if is_local(path):
        return pa.memory_map(str(path)).read_buffer()
    return pa.py_buffer(path.read_bytes())


def _checksum(buffer: Any) -> str:
    return f"xxh3:{xxhash.xxh3_64(buffer).hexdigest()}"
