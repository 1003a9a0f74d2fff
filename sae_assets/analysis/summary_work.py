"""Summarising as work of an engine: chunks are read once, and encoded by each of the SAEs that are analysed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.activations.chunks import Manifest
from sae_assets.analysis.accumulator import FeatureAccumulator
from sae_assets.analysis.running import RunningAnalysis
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.engine.work import Task
from sae_assets.settings.analyzer import FeatureAnalyzerConfig
from sae_assets.settings.sae import PretrainedSAE

STATE_BYTES_A_FEATURE = 2048
"""About what the state of an analysis takes for each feature."""
SHARD_TO_STATE = 4
"""How many times as large as the states that come of it a shard is, so that moving and merging these is the least."""


class Analysis(NamedTuple):
    """One of the analyses that are made together."""

    sae: PretrainedSAE
    """The checkpoint."""
    d_sae: int
    """Number of its features."""
    cfg: FeatureAnalyzerConfig
    """How many tokens to analyse and which contexts to keep."""
    amp_dtype: torch.dtype
    """Precision of the encoder's product."""


@dataclass(frozen=True)
class SummaryWork:
    """Summarises shards, which are ranges of chunk numbers; gives the state of each analysis."""

    source: SourceOnDisk
    """Where the chunks lie."""
    hook_point: str
    """Point of the model."""
    analyses: Sequence[Analysis]
    """What to analyse."""
    device: str
    """Where to encode, unless the engine says otherwise."""

    def start(
        self, device: str | None, advance: Callable[[int], None]
    ) -> Callable[[range], list[FeatureAccumulator | None]]:
        """Loads the SAEs; raises a UserError where one cannot be loaded, or does not fit the activations."""
        place = torch.device(device or self.device)
        saes = [AbstractSparseAutoEncoder.from_pretrained(analysis.sae, device=place) for analysis in self.analyses]

        def summarise(chunks: range) -> list[FeatureAccumulator | None]:
            running = [
                RunningAnalysis(analysis.cfg, sae, analysis.amp_dtype, advance)
                for analysis, sae in zip(self.analyses, saes, strict=True)
            ]
            for batch in self.source.batches(self.hook_point, chunks=chunks):
                on_device = batch.to(place)
                for analysis in running:
                    analysis.add(on_device)
                if all(analysis.is_complete for analysis in running):
                    break
            return [analysis.accumulator and analysis.accumulator.on_cpu() for analysis in running]

        return summarise


def shards(manifest: Manifest, analyses: Sequence[Analysis], is_one: bool) -> list[Task[range]]:
    """The chunks in shards for an engine with several workers, or all in one."""
    n_chunks = len(manifest.chunks)
    state_bytes = STATE_BYTES_A_FEATURE * sum(analysis.d_sae for analysis in analyses)
    chunk_bytes = manifest.contexts_per_chunk * manifest.form.bytes_per_context
    size = n_chunks if is_one else max(1, SHARD_TO_STATE * state_bytes // chunk_bytes)
    tasks = []
    for first in range(0, n_chunks, size):
        chunks = range(first, min(first + size, n_chunks))
        name = f"chunks {first} to {chunks[-1]} of {manifest.hook_point!r}"
        tasks.append(Task(name, chunks, sum(map(manifest.n_positions, chunks)) * len(analyses)))
    return tasks
