"""Infrastructure that the assets share: where checkpoints, data and the store are. Nobody overrides it in a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from sae_assets.dictionary.checkpoint import checkpoint_facts
from sae_assets.dictionary.discovery import FoundCheckpoint, checkpoint_folder, find_checkpoints
from sae_assets.disk.layout import DataFolder, checked_key, data_folder
from sae_assets.language_model.names import hub_name
from sae_assets.run_config import RunSettings
from sae_assets.runners.analysis_run import AnalysisRun
from sae_assets.runners.logits_run import LogitsRun
from sae_assets.settings import AnalysisSettings, AutoInterpSettings, MongoDBConfig
from sae_assets.settings.layers import checkpoint_settings
from sae_assets.store.connection import Store, connect


class Checkpoints(dg.ConfigurableResource):
    """The checkpoints on disk, each with the settings that hold for it, and the folder of all results."""

    roots: str
    """Folders that hold `<series>/<name>/`, separated as in PATH."""
    data_folder: str
    """Where contexts, activations and results lie."""

    @property
    def root_paths(self) -> list[Path]:
        """The roots."""
        return [Path(root) for root in self.roots.split(os.pathsep) if root]

    @property
    def data(self) -> DataFolder:
        """The data folder."""
        return data_folder(self.data_folder)

    def found(self) -> list[FoundCheckpoint]:
        """All folders that may be checkpoints."""
        return find_checkpoints(self.root_paths)

    def folder(self, key: str) -> Path:
        """The folder of a checkpoint; raises a UserError that names the nearest where there is none."""
        return checkpoint_folder(self.root_paths, key)

    def settings(self, key: str, run: RunSettings) -> AnalysisSettings:
        """The settings of a checkpoint: the run config's, then those of the files beside and above it."""
        folder = self.folder(key)
        facts = checkpoint_facts(folder)
        if facts.model_name is not None:
            facts = facts._replace(model_name=hub_name(facts.model_name))
        return checkpoint_settings(folder, run.values, facts, Path.cwd())

    def analysis(self, key: str, run: RunSettings) -> AnalysisRun:
        """The analysis of a checkpoint."""
        series, name = checked_key(key)
        return AnalysisRun(self.settings(key, run).for_analysis(self.folder(key), series, name), self.data)

    def logits(self, key: str, run: RunSettings) -> LogitsRun:
        """The direct logit attribution of a checkpoint."""
        series, name = checked_key(key)
        return LogitsRun(self.settings(key, run).for_logits(self.folder(key), series, name), self.data)

    def interpretation(self, key: str, run: RunSettings) -> AutoInterpSettings:
        """The settings of explaining a checkpoint's features."""
        series, name = checked_key(key)
        return self.settings(key, run).for_interpretation(series, name)


class FeatureStore(dg.ConfigurableResource):
    """The MongoDB that results are published to."""

    data_folder: str
    """Where the bundled server keeps its files, if no URI is set in the environment's MONGO_URI."""

    @contextmanager
    def open(self) -> Iterator[Store]:
        """A connection; the bundled server is started where there is no URI."""
        with connect(MongoDBConfig(), data_folder(self.data_folder)) as store:
            yield store
