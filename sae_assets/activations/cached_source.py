"""An activation source on disk: contexts and chunks, made where they are missing and read back as batches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from filelock import FileLock

from sae_assets.activations.batch import ActivationBatch
from sae_assets.activations.chunk_file import ChunkFormat
from sae_assets.activations.chunk_work import ChunkWork
from sae_assets.activations.chunks import ChunkFolder, Manifest, rebatched
from sae_assets.activations.context_file import (
    ContextsReport,
    contexts_report,
    damaged_contexts,
    read_token_table,
    write_contexts,
)
from sae_assets.activations.contexts import cut_contexts
from sae_assets.activations.forward import contexts_per_pass
from sae_assets.activations.source import ActivationSource
from sae_assets.disk.atomic import discard_leftovers, write_json
from sae_assets.disk.layout import DataFolder, SourceFolder, checked_name
from sae_assets.disk.local import from_anywhere, is_local, local_path
from sae_assets.disk.room import FullDiskError
from sae_assets.engine.inline import InlineEngine
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.work import Engine, Task
from sae_assets.language_model.tokenizer import TextTokenizer, model_location
from sae_assets.settings.errors import UserError
from sae_assets.settings.model import LanguageModelConfig


class MadeContexts(NamedTuple):
    """What came of making contexts."""

    report: ContextsReport
    """What the file holds."""
    is_reused: bool
    """Whether it was there already."""


class MadeChunks(NamedTuple):
    """What came of making chunks."""

    manifest: Manifest
    """What the folder holds."""
    made: list[int]
    """Numbers of the chunks that were made now; the others were there already."""


@dataclass(frozen=True)
class SourceOnDisk:
    """The contexts and chunks in the folder of a source."""

    folder: SourceFolder
    """Where they lie."""

    @property
    def fingerprint(self) -> str:
        """The name of the folder."""
        return self.folder.path.name

    def report(self) -> ContextsReport:
        """What the contexts file holds.

        Raises:
            UserError: there is none, or it is damaged.
        """
        report = contexts_report(self.folder.contexts)
        if report is None:
            raise damaged_contexts(self.folder.contexts)
        return report

    def hook_points(self) -> list[str]:
        """Hook points that there are chunks of."""
        chunks = self.folder.path / "chunks"
        return sorted(path.name for path in chunks.iterdir()) if chunks.exists() else []

    def chunks(self, hook_point: str) -> ChunkFolder:
        """The folder of the chunks of a hook point, whose name becomes part of a path.

        Raises:
            UserError: the name cannot be that of a folder.
        """
        return ChunkFolder(self.folder.chunks(checked_name(hook_point, "hook point")), hook_point)

    def complete(self, hook_point: str) -> Manifest:
        """What the complete set of chunks of a hook point holds.

        Raises:
            UserError: the chunks are missing or incomplete.
        """
        chunks = self.chunks(hook_point)
        manifest = chunks.manifest()
        if manifest is None or not manifest.is_complete:
            raise UserError(
                f"The folder {str(chunks.path)!r} holds no complete set of chunks; make `activation_chunks` first."
            )
        return manifest

    def batches(
        self, hook_point: str, batch_size: int | None = None, chunks: range | None = None
    ) -> Iterator[ActivationBatch]:
        """All contexts with their activations, chunk by chunk.

        Args:
            batch_size: contexts in a batch, at most; those of a chunk where not given.
            chunks: numbers of the chunks to read; all where not given.

        Raises:
            UserError: the chunks are missing, incomplete or damaged.
        """
        manifest, folder = self.complete(hook_point), self.chunks(hook_point)
        numbers = range(len(manifest.chunks)) if chunks is None else chunks
        whole = self._read_ahead(folder, manifest, numbers)
        return whole if batch_size is None else rebatched(whole, batch_size)

    def _read_ahead(self, chunks: ChunkFolder, manifest: Manifest, numbers: range) -> Iterator[ActivationBatch]:
        """The chunks in their order; the next one is fetched and its checksum taken while one is worked on."""
        with ThreadPoolExecutor(1, thread_name_prefix="chunk-reader") as reader:
            ahead = None
            for number in numbers:
                following = reader.submit(self._with_tokens, chunks, manifest, number)
                if ahead is not None:
                    yield ahead.result()
                ahead = following
            if ahead is not None:
                yield ahead.result()

    def _with_tokens(self, chunks: ChunkFolder, manifest: Manifest, number: int) -> ActivationBatch:
        chunk = chunks.read(number)
        table = read_token_table(self.folder.contexts, manifest.contexts_of(number))
        return ActivationBatch(
            chunk.context_idx,
            torch.from_numpy(table.tokens).long(),
            torch.from_numpy(table.mask),
            chunk.activations,
        )


class CachedSource:
    """An activation source in the data folder. What is there already is used; two runs at once wait for each other."""

    def __init__(self, source: ActivationSource, data: DataFolder):
        self.source = source
        self.on_disk = SourceOnDisk(data.source(source.fingerprint))

    @property
    def folder(self) -> SourceFolder:
        """Where contexts and chunks lie."""
        return self.on_disk.folder

    @property
    def dtype(self) -> str:
        """Precision that chunks are stored in."""
        return self.source.factory.override_dtype or self.source.model.dtype

    def make_contexts(self, progress: Progress = silent) -> MadeContexts:
        """Cuts the contexts, unless they are there.

        Raises:
            UserError: the tokenizer or a dataset cannot be read, or there is no token to analyse.
        """
        with self._lock("contexts"):
            discard_leftovers(self.folder.path)
            report = contexts_report(self.folder.contexts)
            # A run that was stopped between the two files left contexts that no one can read by their folder.
            if report is not None and self.folder.source_json.exists():
                return MadeContexts(report, True)
            source = self.source
            contexts = cut_contexts(
                source.factory,
                source.datasets,
                TextTokenizer(source.model),
                source.token_budget,
                source.ignore_token_ids,
            )
            report = write_contexts(contexts, self.folder.contexts, source.token_budget, progress)
            write_json(self.folder.source_json, source.description)
            return MadeContexts(report, False)

    def make_chunks(
        self, hook_point: str, d_model: int, engine: Engine | None = None, progress: Progress = silent
    ) -> MadeChunks:
        """Makes the chunks that are missing or damaged at a hook point.

        Args:
            d_model: width that the activations there must have.
            engine: where to make them; in this process if not given. Where no chunk is missing, no model is loaded.

        Raises:
            UserError: there are no contexts, an activation is not finite, or there is too little room on the disk.
            UnfitActivationsError: the model lacks the hook point, or has another width there.
        """
        report, factory = self.on_disk.report(), self.source.factory
        chunks = self.on_disk.chunks(hook_point)
        form = ChunkFormat(report.context_size, d_model, self.dtype)
        with self._lock(f"chunks-{hook_point}"):
            discard_leftovers(chunks.path)
            per_pass = contexts_per_pass(factory.model_batch_size, form.context_size)
            manifest = chunks.verified(form, report.n_contexts, per_pass)
            chunks.check_room(manifest)
            missing = [number for number, entry in enumerate(manifest.chunks) if entry is None]
            work = ChunkWork(self._model_from_anywhere(), self.folder, manifest, factory.model_batch_size)
            tasks = [
                Task(f"chunk {number} of {hook_point!r}", number, manifest.n_positions(number)) for number in missing
            ]
            try:
                for task, entry in (engine or InlineEngine()).map(work, tasks, "activations", "tokens", progress):
                    manifest = chunks.note(manifest, task.item, entry)
            except FullDiskError:
                raise chunks.no_room(manifest) from None
            return MadeChunks(manifest, missing)

    def _model_from_anywhere(self) -> LanguageModelConfig:
        model = self.source.model
        return model.model_copy(update={"model_from_pretrained_path": from_anywhere(model_location(model))})

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One run at a time makes a part of the source; the next one finds it made. Local folders only."""
        if not is_local(self.folder.path):
            yield
            return
        path = local_path(self.folder.path)
        path.mkdir(parents=True, exist_ok=True)
        with FileLock(path / f".{name}.lock"):
            yield
