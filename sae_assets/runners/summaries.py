"""Summaries, made where they are missing: several checkpoints on one source share one read of its chunks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from sae_assets.analysis.accumulator import FeatureAccumulator
from sae_assets.analysis.analyzer import merged, summaries_of
from sae_assets.analysis.geometry import dictionary_geometry
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.analysis.summary_file import (
    StoredSummaries,
    SummariesAbout,
    read_summaries,
    summaries_about,
    write_summaries,
)
from sae_assets.analysis.summary_work import Analysis, SummaryWork, shards
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.disk.local import from_anywhere
from sae_assets.engine.progress import Progress, silent
from sae_assets.runners.analysis_run import AnalysisRun
from sae_assets.settings import UserError, torch_dtype


class MadeSummaries(NamedTuple):
    """What came of summarising."""

    stored: StoredSummaries
    """What the file holds."""
    is_reused: bool
    """Whether it was there already, from the same checkpoint, source and settings."""


def make_summaries(run: AnalysisRun, progress: Progress = silent) -> MadeSummaries:
    """Analyses a checkpoint, unless a result of the same checkpoint, source and settings is there."""
    return make_all_summaries([run], progress)[0]


def make_all_summaries(runs: Sequence[AnalysisRun], progress: Progress = silent) -> list[MadeSummaries]:
    """Analyses several checkpoints on one source and hook point, whose chunks are read once for all that need it.

    Raises:
        UserError: the chunks are incomplete or damaged, or a checkpoint cannot be loaded.
    """
    stored = {place: reused for place, run in enumerate(runs) if (reused := _reusable(run)) is not None}
    missing = [place for place in range(len(runs)) if place not in stored]
    made = _summarised([runs[place] for place in missing], progress) if missing else []
    for place, summaries in zip(missing, made, strict=True):
        stored[place] = _written(runs[place], summaries, progress)
    return [MadeSummaries(stored[place], place not in missing) for place in range(len(runs))]


def _reusable(run: AnalysisRun) -> StoredSummaries | None:
    about = summaries_about(run.folder.summaries)
    if about is not None and about.identity == run.identity:
        with suppress(UserError):  # what is damaged is made again
            return read_summaries(run.folder.summaries)
    return None


def _summarised(runs: Sequence[AnalysisRun], progress: Progress) -> list[FeatureSummaries]:
    first, source = runs[0], runs[0].on_disk
    manifest = source.complete(first.hook_point)
    analyses = [_analysis(run) for run in runs]
    # A budget that ends before the chunks do takes the first tokens, which one worker after the other knows.
    is_cut = any(run.settings.analyzer.total_analyzing_tokens < source.report().n_tokens for run in runs)
    tasks = shards(manifest, analyses, is_one=is_cut or first.settings.engine.type == "inline")
    work = SummaryWork(source, first.hook_point, tuple(analyses), first.device)
    wholes: list[FeatureAccumulator | None] = [None] * len(runs)
    for _, parts in first.engine.map(work, tasks, "features", "tokens", progress):
        # As they come: the states of all shards at once would not fit.
        wholes = [merged(whole, part) for whole, part in zip(wholes, parts, strict=True)]
    return [summaries_of(whole) for whole in wholes]


def _analysis(run: AnalysisRun) -> Analysis:
    settings = run.settings
    place = from_anywhere(settings.sae.pretrained_name_or_path)
    sae = settings.sae.model_copy(update={"pretrained_name_or_path": place})
    return Analysis(sae, run.config.d_sae, settings.analyzer, torch_dtype(settings.amp_dtype))


def _written(run: AnalysisRun, summaries: FeatureSummaries, progress: Progress) -> StoredSummaries:
    settings = run.settings
    sae = AbstractSparseAutoEncoder.from_pretrained(settings.sae, device=run.device)
    geometry = dictionary_geometry(sae.encoder, sae.decoder, progress=progress)
    about = SummariesAbout(
        identity=run.identity,
        sae_identity=run.sae_identity,
        source=run.on_disk.fingerprint,
        settings=settings.model_dump(mode="json", exclude={"mongo", "engine"}),
    )
    write_summaries(run.folder.summaries, summaries, geometry, about)
    return StoredSummaries(summaries, geometry, about)
