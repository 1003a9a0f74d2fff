"""Checkpoints and their analyses."""

from __future__ import annotations

from datetime import UTC, datetime

from sae_assets.settings.errors import NotFoundError
from sae_assets.store.documents import AnalysisDocument, SAEDocument
from sae_assets.store.lookup import CheckpointRow, checkpoints, find_sae, published_analyses
from sae_assets.web.context import WebContext
from sae_assets.web.explained import ExplainedFeatures
from sae_assets.web.histograms import act_bars, log_density_bars, score_bars
from sae_assets.web.models.checkpoints import AnalysisDetail, CheckpointItem, CheckpointList, Histograms, LineageStep


def all_checkpoints(context: WebContext) -> CheckpointList:
    """All checkpoints."""
    return CheckpointList(items=[_item(context, row) for row in checkpoints(context.store)])


def shown_analysis(context: WebContext, series: str, name: str) -> str:
    """Name of the analysis that is shown of a checkpoint where none is named.

    Raises:
        NotFoundError: there is no such checkpoint, or none of its analyses is published.
    """
    sae = find_sae(context.store, f"{series}/{name}")
    published = published_analyses(context.store, sae.id)
    if not published:
        raise NotFoundError(f"No analysis of {sae.id!r} is published yet.")
    return published[0].name


def analysis_detail(context: WebContext, series: str, name: str, analysis: str) -> AnalysisDetail:
    """A checkpoint with one of its analyses.

    Raises:
        NotFoundError: there is none.
    """
    found = context.found(series, name, analysis)
    explained = context.catalogue.explained(found.analysis)
    return AnalysisDetail(
        checkpoint=_shown_item(context, found.sae, found.analysis, explained),
        analysis=analysis,
        histograms=_histograms(context, found.analysis, explained),
        lineage=_lineage(found.sae, found.analysis, explained),
        settings=found.analysis.settings,
        config=found.sae.config,
        subsamples=found.analysis.subsamples,
    )


def _item(context: WebContext, row: CheckpointRow) -> CheckpointItem:
    return CheckpointItem(
        series=row.series,
        name=row.name,
        analyses=list(row.analyses),
        analysis=row.analysis,
        model_name=row.model_name,
        hook_point=row.hook_point,
        d_model=row.d_model,
        d_sae=row.d_sae,
        n_alive=row.n_alive,
        l0=row.l0,
        n_analyzed_tokens=row.n_analyzed_tokens,
        n_explained=row.n_explained,
        mean_scores=row.mean_scores,
        has_logits=row.has_logits,
        published_at=row.published_at,
        dagster_url=context.partition_url(f"{row.series}/{row.name}"),
    )


def _shown_item(
    context: WebContext, sae: SAEDocument, analysis: AnalysisDocument, explained: ExplainedFeatures
) -> CheckpointItem:
    means = {scorer: explained.mean_score(scorer) for scorer in explained.scorers}
    return CheckpointItem(
        series=sae.series,
        name=sae.name,
        analyses=sorted(one.name for one in published_analyses(context.store, sae.id)),
        analysis=analysis.name,
        model_name=sae.model_name,
        hook_point=sae.hook_point,
        d_model=sae.d_model,
        d_sae=analysis.d_sae,
        n_alive=analysis.n_alive,
        l0=analysis.l0,
        n_analyzed_tokens=analysis.n_analyzed_tokens,
        n_explained=int(explained.is_explained.sum()),
        mean_scores={scorer: mean for scorer, mean in means.items() if mean is not None},
        has_logits=analysis.logits_id is not None,
        published_at=analysis.published_at,
        dagster_url=context.partition_url(sae.id),
    )


def _histograms(context: WebContext, analysis: AnalysisDocument, explained: ExplainedFeatures) -> Histograms:
    columns = context.catalogue.columns(analysis)
    is_alive = columns.features.act_times > 0
    return Histograms(
        log_density=log_density_bars(columns.log_density[is_alive]),
        max_act=act_bars(columns.features.max_act[is_alive].astype(float)),
        scores={scorer: score_bars(explained.known_scores(scorer)) for scorer in explained.scorers},
    )


def _lineage(sae: SAEDocument, analysis: AnalysisDocument, explained: ExplainedFeatures) -> list[LineageStep]:
    n_explained = int(explained.is_explained.sum())
    last = datetime.fromtimestamp(explained.newest_ms / 1000, UTC) if n_explained else None
    return [
        LineageStep(what="checkpoint", detail=sae.path, at=sae.updated_at),
        LineageStep(what="features", detail=f"source {analysis.source}", at=analysis.published_at),
        LineageStep(
            what="logits",
            detail=f"variant {analysis.logits_variant}" if analysis.logits_variant else "not attributed yet",
            at=analysis.logits_published_at,
        ),
        LineageStep(
            what="explanations",
            detail=f"{n_explained:,} of {analysis.d_sae:,} features" if n_explained else "none yet",
            at=last,
        ),
    ]
