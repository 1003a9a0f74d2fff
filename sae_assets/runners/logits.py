"""`direct_logit_attribute`: which output tokens each feature promotes, in the store or as Parquet."""

from __future__ import annotations

from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.logits_file import LogitsFile
from sae_assets.disk.layout import DataFolder, default_data_folder
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.progress_bar import progress_or_bar
from sae_assets.runners.logits_run import LogitsRun
from sae_assets.settings import DirectLogitAttributeSettings, LanguageModelConfig
from sae_assets.store.connection import Store, connect
from sae_assets.store.lookup import find_analysis, stored_config
from sae_assets.store.publish import PublishedSet, publish_logits


def direct_logit_attribute(
    settings: DirectLogitAttributeSettings, *, data: DataFolder | None = None, progress: Progress | None = None
) -> FeatureLogits:
    """Attributes logits to the features of a checkpoint and publishes them with its analysis, in place of earlier ones.

    Args:
        data: where the table lies; `SAE_ASSETS_DATA` or `data` in the working directory where not given.
        progress: told how far the work is; a bar on the terminal where not given.

    Raises:
        UserError: the settings, the checkpoint, the model or MongoDB cannot be used, or the store has no such analysis.
    """
    data = data or default_data_folder()
    with progress_or_bar(progress) as report:
        if settings.mongo is None and settings.output_dir is not None:
            return LogitsRun(settings, data).make_logits(report).stored.logits
        with connect(settings.mongo, data) as store:
            # Asked first: logits of a checkpoint that the store does not know are not made in vain.
            find_analysis(store, settings.sae_name, settings.sae_series, settings.feature_analysis_name)
            known = stored_config(store, "models", settings.model_name)
            run = LogitsRun(settings, data, LanguageModelConfig.model_validate(known) if known else None)
            stored = run.make_logits(report).stored
            publish_table(run, stored, store, report)
            return stored.logits


def publish_table(run: LogitsRun, stored: LogitsFile, store: Store, progress: Progress = silent) -> PublishedSet:
    """Writes the table to the store, where it replaces the analysis' earlier one at once."""
    settings = run.settings
    return publish_logits(
        store,
        f"{settings.sae_series}/{settings.sae_name}",
        settings.feature_analysis_name,
        stored.logits,
        stored.texts.__getitem__,
        progress,
    )
