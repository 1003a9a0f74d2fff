"""The analysis of one checkpoint in its four steps: contexts, activations, summaries, documents in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sae_assets.activations.cached_source import CachedSource, MadeChunks, MadeContexts, SourceOnDisk
from sae_assets.activations.chunk_work import UnfitActivationsError
from sae_assets.activations.chunks import Manifest
from sae_assets.activations.context_file import read_contexts, write_contexts
from sae_assets.activations.contexts import Context
from sae_assets.activations.factory import source_of_chunks
from sae_assets.activations.source import ActivationSource
from sae_assets.analysis.summary_file import StoredSummaries
from sae_assets.dictionary.checkpoint import checkpoint_config, checkpoint_format, checkpoint_identity
from sae_assets.dictionary.config import SAEConfig
from sae_assets.disk.identity import identity_of
from sae_assets.disk.layout import CheckpointFolder, DataFolder
from sae_assets.engine.device import checked_device
from sae_assets.engine.engine import engine_of
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.work import Engine
from sae_assets.settings import ActivationFactoryActivationsSource, AnalyzeSAESettings, UserError, unknown

FORMAT = 3
"""Raised when the same settings give other summaries than before."""


@dataclass(frozen=True)
class AnalysisRun:
    """One checkpoint with its settings. Each step uses what an earlier run left, and fails before it is costly."""

    settings: AnalyzeSAESettings
    """What to analyse, and how."""
    data: DataFolder
    """Where sources and results lie."""

    @cached_property
    def config(self) -> SAEConfig:
        """What the checkpoint says about itself."""
        return checkpoint_config(self.settings.sae)

    @cached_property
    def checkpoint_format(self) -> str:
        """What the format of the checkpoint is called."""
        return checkpoint_format(self.settings.sae)

    @cached_property
    def sae_identity(self) -> str:
        """Hash of the checkpoint's files."""
        return checkpoint_identity(self.settings.sae)

    @property
    def hook_point(self) -> str:
        """The checkpoint's hook point; the settings' only one where it does not record its own.

        Raises:
            UserError: it is not recorded and has to be given, or the settings' hook points leave it out.
        """
        name, given = self.config.hook_point_in, self.settings.activation_factory.hook_points
        if name is None and len(given) == 1:
            return given[0]
        if name is None:
            raise UserError(
                f"The checkpoint {self.settings.sae.pretrained_name_or_path!r} does not record its hook point; set "
                f"sae.hook_point to one of activation_factory.hook_points, {given}."
            )
        if name not in given:
            raise UserError(
                f"activation_factory.hook_points is {given} but the checkpoint "
                f"{self.settings.sae.pretrained_name_or_path!r} was trained at {name!r}; give that hook point."
            )
        return name

    @cached_property
    def source(self) -> CachedSource | SourceOnDisk:
        """The activation source: one that can be made here, or chunks that are read as they are."""
        settings, hook_point = self.settings, self.hook_point
        first = settings.activation_factory.sources[0]
        if isinstance(first, ActivationFactoryActivationsSource):
            return source_of_chunks(first, hook_point)
        if settings.model is None:
            known = self.config.model_name
            trained = f"; the checkpoint was trained on {known!r}" if known else ""
            raise UserError(
                f"The sources are datasets, which need a language model; give [model] in the settings{trained}."
            )
        datasets = {name: dataset for name, dataset in (settings.datasets or {}).items() if dataset is not None}
        source = ActivationSource(
            settings.model,
            settings.activation_factory,
            datasets,
            settings.analyzer.total_analyzing_tokens,
            tuple(settings.analyzer.ignore_token_ids or ()),
        )
        return CachedSource(source, self.data)

    @property
    def on_disk(self) -> SourceOnDisk:
        """The source's folder."""
        return self.source.on_disk if isinstance(self.source, CachedSource) else self.source

    @property
    def device(self) -> str:
        """Device of the sparse autoencoder."""
        return self.settings.sae.device if self.settings.device_type == "auto" else self.settings.device_type

    @property
    def engine(self) -> Engine:
        """Where chunks are made and summarised."""
        return engine_of(self.settings.engine)

    @property
    def devices(self) -> list[str]:
        """All devices of this machine that are computed on."""
        return self.settings.engine.devices or [self.device]

    @property
    def folder(self) -> CheckpointFolder:
        """Where the results lie: `output_dir`, or the analysis' place in the data folder."""
        settings = self.settings
        return self.data.checkpoint(
            settings.sae_series, settings.sae_name, settings.feature_analysis_name, settings.output_dir
        )

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides the summaries: 16 hex digits."""
        settings = self.settings
        decisive = {
            "format": FORMAT,
            "sae": self.sae_identity,
            "sae_options": settings.sae.model_dump(mode="json", include={"dtype", "fold_activation_scale"}),
            "source": self.on_disk.fingerprint,
            "hook_point": self.hook_point,
            "analyzer": settings.analyzer.model_dump(mode="json"),
            "amp_dtype": settings.amp_dtype,
        }
        return identity_of(decisive)

    def make_contexts(self, progress: Progress = silent) -> MadeContexts:
        """Cuts the contexts, unless they are there.

        Raises:
            UserError: the datasets or settings are wrong, also those that only a later step needs.
        """
        _ = self.folder
        checked_device(self.device)
        if isinstance(self.source, CachedSource):
            return self.source.make_contexts(progress)
        return MadeContexts(self.source.report(), True)

    def make_chunks(self, progress: Progress = silent) -> MadeChunks:
        """Makes the activations that are missing; raises a UserError where the model and the checkpoint do not fit."""
        if isinstance(self.source, CachedSource):
            return self.source.make_chunks(self.hook_point, self.config.d_model, self.engine, progress)
        manifest = self.source.chunks(self.hook_point).manifest()
        if manifest is None:
            raise unknown("hook point", self.hook_point, self.source.hook_points(), where=str(self.source.folder.path))
        self.refuse_unfit(manifest)
        return MadeChunks(manifest, [])

    def refuse_unfit(self, manifest: Manifest) -> None:
        """Raises an UnfitActivationsError where the activations have another width than the checkpoint."""
        if manifest.form.d_model != self.config.d_model:
            raise UnfitActivationsError(
                f"The activations at {self.hook_point!r} have d_model {manifest.form.d_model} and the checkpoint "
                f"{self.settings.sae.pretrained_name_or_path!r} has d_model {self.config.d_model}; give the model that "
                "it was trained on."
            )

    def sampled_contexts(self, stored: StoredSummaries) -> Iterator[Context]:
        """The contexts that some sample lies in, each once."""
        return read_contexts(self.on_disk.folder.contexts, stored.summaries.sampled_contexts)

    def write_sampled_contexts(self, stored: StoredSummaries) -> None:
        """Writes them beside the summaries, for those who read the results without a store."""
        write_contexts(self.sampled_contexts(stored), self.folder.contexts, None)
