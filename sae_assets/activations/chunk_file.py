"""One chunk: the activations of consecutive contexts as a Parquet file, one row a context.

The activations lie in it as they lie in memory: they are written as they come, and read as a mapping of the file.
"""

from __future__ import annotations

import json
import math
import mmap
from collections.abc import Sequence
from itertools import chain
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
import xxhash
from jaxtyping import Float, Int64
from torch import Tensor
from upath import UPath

from sae_assets.disk.atomic import atomic_write, begin_sync
from sae_assets.disk.local import is_local, local_path
from sae_assets.disk.plain_parquet import PlainColumn, around
from sae_assets.settings.errors import UserError
from sae_assets.settings.model import torch_dtype

FORMAT_KEY = b"sae_assets.chunk"
LARGEST_CHUNK_BYTES = 1 << 30
"""Several contexts must not be larger, as they lie in one page, which cannot have 2 GiB."""
BLOCK_BYTES = 1 << 19
"""What is hashed and written at a time, so that it is still in the processor's cache."""


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


def write_chunk(
    path: UPath, context_idx: Int64[Tensor, "context"], parts: Sequence[Float[Tensor, "part position d_model"]]
) -> str:
    """Writes a chunk atomically, its activations in parts, and returns the checksum of its bytes.

    Raises:
        FullDiskError: the chunk does not fit on the disk.
    """
    assert sum(map(len, parts)) == len(context_idx)
    form = ChunkFormat.of(parts[0])
    columns = [PlainColumn("context_idx", 8, is_number=True), PlainColumn("activations", form.bytes_per_context)]
    before, between, behind = around(columns, len(context_idx), {FORMAT_KEY.decode(): json.dumps(form._asdict())})
    values = (part.contiguous().cpu().flatten().view(torch.uint8).numpy().data for part in parts)
    checksum = xxhash.xxh3_64()
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for piece in chain([before, context_idx.numpy().astype("<i8").tobytes(), between], values, [behind]):
            began = file.tell()
            for first in range(0, len(piece), BLOCK_BYTES):
                block = piece[first : first + BLOCK_BYTES]
                checksum.update(block)
                file.write(block)
            begin_sync(file, began)
    return _text(checksum)


def read_chunk(path: UPath, checksum: str) -> Chunk:
    """The chunk in a file. A local file is mapped, privately: who writes to the activations changes no file.

    Raises:
        DamagedChunkError: the file is missing, or its bytes are not those that were written.
    """
    try:
        contents: Any = _contents(path)
        if _text(xxhash.xxh3_64(contents)) != checksum:
            raise DamagedChunkError(path)
        parquet = pq.ParquetFile(pa.BufferReader(pa.py_buffer(contents)), pre_buffer=False)
        form = _format(parquet)
        context_idx = parquet.read(["context_idx"], use_threads=False)["context_idx"].to_numpy()
        if _has_many_pages(parquet):
            activations = parquet.read(["activations"])["activations"].combine_chunks()
            contents, values = activations.buffers()[1], activations.offset * form.bytes_per_context
        else:
            values = _place_of_values(parquet, form)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        raise DamagedChunkError(path) from None
    shape = (len(context_idx), form.context_size, form.d_model)
    flat = torch.frombuffer(contents, dtype=torch_dtype(form.dtype), count=math.prod(shape), offset=values)
    return Chunk(torch.from_numpy(context_idx.copy()), flat.view(shape))


def read_rows(path: UPath, rows: Sequence[int]) -> Float[Tensor, "row position d_model"]:
    """The activations of some contexts by their places in a chunk. The others are not read: no checksum is looked at.

    Raises:
        DamagedChunkError: the file is missing, or is no chunk with these places.
    """
    try:
        with path.open("rb") as file:
            parquet = pq.ParquetFile(file, pre_buffer=False)
            form = _format(parquet)
            if max(rows) >= parquet.metadata.num_rows:
                raise DamagedChunkError(path)
            if _has_many_pages(parquet):
                activations = parquet.read(["activations"])["activations"]
                contents = b"".join(activations[row].as_py() for row in rows)
            else:
                values, size = _place_of_values(parquet, form), form.bytes_per_context
                contents = b"".join(_read_at(file, values + row * size, size) for row in rows)
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError):
        raise DamagedChunkError(path) from None
    flat = torch.frombuffer(bytearray(contents), dtype=torch_dtype(form.dtype))
    return flat.view(len(rows), form.context_size, form.d_model)


def is_whole(path: UPath, checksum: str) -> bool:
    """Whether the file is there with the bytes that were written."""
    try:
        return _text(xxhash.xxh3_64(_contents(path))) == checksum
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return False


def _format(parquet: pq.ParquetFile) -> ChunkFormat:
    return ChunkFormat(**json.loads((parquet.schema_arrow.metadata or {})[FORMAT_KEY]))


def _has_many_pages(parquet: pq.ParquetFile) -> bool:
    """Whether the file was written when a chunk was not yet a single page, in which the values lie side by side."""
    return parquet.schema_arrow.field("activations").nullable


def _place_of_values(parquet: pq.ParquetFile, form: ChunkFormat) -> int:
    """Where the activations begin in the file: their column ends with them."""
    column = parquet.metadata.row_group(0).column(1)
    size = parquet.metadata.num_rows * form.bytes_per_context
    return column.data_page_offset + column.total_compressed_size - size


def _read_at(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _contents(path: UPath) -> mmap.mmap | bytearray:
    if not is_local(path):
        return bytearray(path.read_bytes())
    with local_path(path).open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


def _text(checksum: xxhash.xxh3_64) -> str:
    return f"xxh3:{checksum.hexdigest()}"
