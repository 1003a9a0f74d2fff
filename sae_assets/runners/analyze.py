"""`analyze_sae`: from a checkpoint to its features' statistics and sample contexts, in the store or as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext

from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.analysis.summary_file import StoredSummaries
from sae_assets.disk.layout import DataFolder, default_data_folder
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.progress_bar import progress_or_bar
from sae_assets.runners.analysis_run import AnalysisRun
from sae_assets.runners.summaries import make_all_summaries
from sae_assets.settings import AnalyzeSAESettings
from sae_assets.store.connection import Store, connect
from sae_assets.store.documents import SAEDocument
from sae_assets.store.lookup import save_config
from sae_assets.store.publish import AnalysisRecord, PublishedSet, publish_analysis


def analyze_sae(
    settings: AnalyzeSAESettings, *, data: DataFolder | None = None, progress: Progress | None = None
) -> FeatureSummaries:
    """Analyses a checkpoint and publishes the result under its analysis' name, in place of an earlier one.

    What an earlier or interrupted run made is used: contexts, activations, and a result of the same settings.

    Args:
        data: where contexts, activations and results lie; `SAE_ASSETS_DATA` or `data` in the working directory where
            not given.
        progress: told how far the work is; a bar on the terminal where not given.

    Raises:
        UserError: the settings, the checkpoint, the model, a dataset or MongoDB cannot be used; nothing is published.
    """
    return analyze_saes([settings], data=data, progress=progress)[0]


def analyze_saes(
    settings: Sequence[AnalyzeSAESettings], *, data: DataFolder | None = None, progress: Progress | None = None
) -> list[FeatureSummaries]:
    """Analyses several checkpoints as `analyze_sae` does; those on the same source share one read of its chunks.

    The engine is the one of the first checkpoint on a source.
    """
    folder = data or default_data_folder()
    runs = [AnalysisRun(each, folder) for each in settings]
    with ExitStack() as stack:
        # Connected first: an address that does not answer is found before the work, not after it.
        stores = [stack.enter_context(_store(run)) for run in runs]
        report = stack.enter_context(progress_or_bar(progress))
        found: dict[int, FeatureSummaries] = {}
        for places in _by_source(runs):
            of_source = [runs[place] for place in places]
            of_source[0].make_contexts(report)
            manifest = of_source[0].make_chunks(report).manifest
            for run in of_source:
                run.refuse_unfit(manifest)
            for place, made in zip(places, make_all_summaries(of_source, report), strict=True):
                _deliver(runs[place], made.stored, stores[place], report)
                found[place] = made.stored.summaries
    return [found[place] for place in range(len(runs))]


def _store(run: AnalysisRun) -> AbstractContextManager[Store | None]:
    is_published = run.settings.mongo is not None or run.settings.output_dir is None
    return connect(run.settings.mongo, run.data) if is_published else nullcontext()


def _by_source(runs: Sequence[AnalysisRun]) -> Iterable[list[int]]:
    """The places of the runs that share chunks, in the order of the first of them."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault((str(run.on_disk.folder.path), run.hook_point), []).append(place)
    return places.values()


def _deliver(run: AnalysisRun, stored: StoredSummaries, store: Store | None, progress: Progress) -> None:
    if run.settings.output_dir is not None:
        run.write_sampled_contexts(stored)
    if store is not None:
        publish_summaries(run, stored, store, progress)


def publish_summaries(
    run: AnalysisRun, stored: StoredSummaries, store: Store, progress: Progress = silent
) -> PublishedSet:
    """Writes the result to the store, where it replaces the analysis' earlier one at once."""
    settings, config = run.settings, run.config
    model_name = settings.model_name or (settings.model and settings.model.model_name)
    if settings.model is not None and model_name:
        save_config(store, "models", model_name, settings.model.model_dump(mode="json"))
    for name, dataset in (settings.datasets or {}).items():
        if dataset is not None:
            save_config(store, "datasets", name, dataset.model_dump(mode="json"))
    sae = SAEDocument(
        id=f"{settings.sae_series}/{settings.sae_name}",
        series=settings.sae_series,
        name=settings.sae_name,
        path=settings.sae.pretrained_name_or_path,
        identity=run.sae_identity,
        config=config.model_dump(mode="json"),
        format=run.checkpoint_format,
        model_name=model_name,
        hook_point=run.hook_point,
        d_model=config.d_model,
        d_sae=config.d_sae,
    )
    record = AnalysisRecord(settings.feature_analysis_name, run.on_disk.fingerprint, stored.about.settings)
    return publish_analysis(
        store, sae, record, stored.summaries, stored.geometry, run.sampled_contexts(stored), progress
    )
