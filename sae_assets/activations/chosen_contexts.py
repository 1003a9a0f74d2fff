"""The activations of a few chosen contexts out of the chunks of a source, which are not read whole for them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from sae_assets.activations.batch import ActivationBatch, ContextBatch
from sae_assets.activations.chunk_file import DamagedChunkError, read_rows
from sae_assets.activations.chunks import ChunkFolder
from sae_assets.activations.context import Context


class ChosenContexts:
    """Reads contexts of any numbers at a hook point, as far as their chunks are there."""

    def __init__(self, chunks: ChunkFolder):
        """Nothing is read but the manifest; the chunks may be incomplete or all gone."""
        self.chunks, self.manifest = chunks, chunks.manifest()

    def batch(self, contexts: Sequence[Context]) -> ActivationBatch | None:
        """The activations of these contexts, which come by rising number, without those whose chunk is missing.

        None where all chunks are. No checksum is looked at, as it would take a whole chunk.
        """
        there: list[Context] = []
        parts: list[Float[Tensor, "context position d_model"]] = []
        if self.manifest is not None:
            per_chunk = self.manifest.contexts_per_chunk
            for number, members in groupby(contexts, lambda context: context.context_idx // per_chunk):
                of_chunk = list(members)
                with suppress(DamagedChunkError):
                    parts.append(self._rows(number, [context.context_idx % per_chunk for context in of_chunk]))
                    there += of_chunk
        return ActivationBatch(*ContextBatch.of(there), torch.cat(parts)) if there else None

    def _rows(self, number: int, rows: list[int]) -> Float[Tensor, "context position d_model"]:
        assert self.manifest is not None
        entry = self.manifest.chunks[number]
        if entry is None:
            raise DamagedChunkError(self.chunks.path / f"{number:05d}.parquet")
        return read_rows(self.chunks.path / entry.name, rows)
