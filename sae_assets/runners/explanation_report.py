"""The report of an analysis' explanations, out of the store, and its files beside the table of explanations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from sae_assets.disk.atomic import atomic_write, write_json
from sae_assets.disk.layout import DataFolder
from sae_assets.interpretation.amounts import stored_usage
from sae_assets.interpretation.report import (
    ExplanationReport,
    Origin,
    ReportedFeature,
    ReportedScore,
    explanation_report,
)
from sae_assets.interpretation.report_text import report_markdown
from sae_assets.store.columns import read_feature_columns
from sae_assets.store.connection import Store
from sae_assets.store.explanation_usage import NO_USAGE, ExplanationUsage, usage_of_explanations
from sae_assets.store.explanations import explanations_of
from sae_assets.store.failures import failures_of
from sae_assets.store.kept_documents import ExplanationDocument
from sae_assets.store.lookup import FoundAnalysis


def write_report(store: Store, data: DataFolder, found: FoundAnalysis) -> ExplanationReport:
    """Writes `explanation_report.json` and `.md` in place of those that are there, and gives the report.

    Raises:
        UserError: as `read_report`.
    """
    report = read_report(store, found)
    folder = data.checkpoint(found.sae.series, found.sae.name, found.analysis.name)
    title = f"Explanations of {found.sae.id} ({found.analysis.name})"
    write_json(folder.explanation_report("json"), report.to_json())
    with atomic_write(folder.explanation_report("md")) as temporary:
        temporary.write_text(report_markdown(report, title), encoding="utf-8")
    return report


def read_report(store: Store, found: FoundAnalysis) -> ExplanationReport:
    """The report of the explanations that count.

    Raises:
        UserError: MongoDB cannot be used, or an earlier version of the package published the analysis.
    """
    sae, analysis = found.sae.id, found.analysis
    columns = read_feature_columns(store, analysis)
    failures = Counter(failure.kind for failure in failures_of(store, sae, analysis.name))
    return explanation_report(
        _features(explanations_of(store, sae, analysis.name), usage_of_explanations(store, analysis), columns.density),
        failures,
        d_sae=columns.d_sae,
        n_alive=int((columns.act_times > 0).sum()),
    )


def _features(
    explanations: list[ExplanationDocument],
    usages: dict[str, ExplanationUsage],
    density: Float64[np.ndarray, "feature"],
) -> Iterator[ReportedFeature]:
    for one in explanations:
        if one.index >= len(density):  # explained while the checkpoint of this name had more features
            continue
        usage = usages.get(one.version, NO_USAGE)
        scores = [
            ReportedScore(
                score["scorer"],
                score.get("value"),
                score.get("n_unparsable", 0),
                usage.score_prompts.get(score["scorer"]),
            )
            for score in one.scores
        ]
        origin = Origin(one.explainer, one.model, usage.prompt_hash, one.is_by_hand)
        taken = stored_usage(usage.usage)
        yield ReportedFeature(
            one.index, float(density[one.index]), scores, one.consistency, one.complexity, origin, taken
        )
