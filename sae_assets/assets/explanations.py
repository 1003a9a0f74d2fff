"""`feature_explanations`: every feature in words, with a score."""

from typing import Any

import dagster as dg

from sae_assets.assets.documents import feature_documents
from sae_assets.assets.run_page import step_progress
from sae_assets.interpretation.client import HOW_TO_CONFIGURE, is_configured
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import RunSettings
from sae_assets.runners.interpret import InterpretationReport, explain_features
from sae_assets.settings import AutoInterpSettings
from sae_assets.store.explanations import explanations_of, mean_scores
from sae_assets.store.kept_documents import ExplanationDocument

SCORES = dg.AssetCheckSpec(
    "scores_above_floor",
    asset="feature_explanations",
    description="The mean of each score of the explanations is not below `checks.min_mean_score`.",
)
N_SHOWN = 10


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="features",
    kinds={"openai", "mongodb"},
    pool="llm",
    deps=[feature_documents],
    check_specs=[SCORES],
    automation_condition=dg.AutomationCondition.on_missing(),
)
def feature_explanations(
    context: dg.AssetExecutionContext,
    checkpoints: Checkpoints,
    feature_store: FeatureStore,
    settings: dg.ResourceParam[RunSettings],
) -> dg.MaterializeResult:
    """Explanations by a language model, scored on examples that it did not see; explained features are kept."""
    key = context.partition_key
    with step_progress(context) as progress:
        floor = checkpoints.settings(key, settings).checks.min_mean_score
        asked = checkpoints.interpretation(key, settings)
        with feature_store.open() as store:
            report = InterpretationReport(0, 0, ())
            if is_configured(asked.auto_interp):
                report = explain_features(asked, store, checkpoints.data, progress)
            else:
                context.log.warning(f"No feature was explained. {HOW_TO_CONFIGURE}.")
            stored = explanations_of(store, key, asked.analysis_name)
    means = mean_scores(stored)
    return dg.MaterializeResult(
        metadata=_metadata(asked, report, stored, means),
        check_results=[
            dg.AssetCheckResult(
                check_name=SCORES.name,
                passed=all(mean >= floor for mean in means.values()),
                metadata={"floor": floor} | means,
            )
        ],
    )


def _metadata(
    asked: AutoInterpSettings, report: InterpretationReport, stored: list[ExplanationDocument], means: dict[str, float]
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "explained now": report.n_explained,
        "explained in all": len(stored),
        "failed": len(report.failures),
        **{f"mean {scorer}": mean for scorer, mean in means.items()},
    }
    if not is_configured(asked.auto_interp):
        metadata["how to explain"] = f"{HOW_TO_CONFIGURE}."
    if report.failures:
        metadata["failures"] = [f"{one.index}: {one.reason}" for one in report.failures[:N_SHOWN]]
    if stored:
        records = [dg.TableRecord({"index": one.index, "explanation": one.text}) for one in stored[:N_SHOWN]]
        metadata["examples"] = dg.MetadataValue.table(records)
    return metadata
