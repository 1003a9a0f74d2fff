"""`feature_explanations`: every feature in words, with a score."""

from typing import Any

import dagster as dg

from sae_assets.assets.documents import feature_documents, features_url
from sae_assets.assets.explanation_metadata import report_metadata, run_metadata
from sae_assets.assets.run_page import step_progress
from sae_assets.interpretation.client import HOW_TO_CONFIGURE, is_configured
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import RunSettings
from sae_assets.runners.explanation_report import read_report
from sae_assets.runners.interpret import explain_features
from sae_assets.store.explanations import explanations_of
from sae_assets.store.lookup import find_analysis

SCORES = dg.AssetCheckSpec(
    "scores_above_floor",
    asset="feature_explanations",
    description="The mean of each score of the explanations is not below `checks.min_mean_score`.",
)


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
        metadata: dict[str, Any] = {}
        with feature_store.open() as store:
            if is_configured(asked.auto_interp):
                run = explain_features(asked, store, checkpoints.data, progress)
                metadata = run_metadata(run)
                if run.has_budget_ended:
                    context.log.warning(run.sentence)
            else:
                metadata["how to explain"] = f"{HOW_TO_CONFIGURE}."
                context.log.warning(f"No feature was explained. {HOW_TO_CONFIGURE}.")
            found = find_analysis(store, key, analysis=asked.analysis_name)
            report = read_report(store, found)
            examples = explanations_of(store, key, asked.analysis_name)
    means = {one.scorer: one.mean.value for one in report.scorers if one.mean is not None}
    return dg.MaterializeResult(
        metadata=metadata
        | report_metadata(report, examples)
        | {"look at all": dg.MetadataValue.url(features_url(found.analysis.id))},
        check_results=[
            dg.AssetCheckResult(
                check_name=SCORES.name,
                passed=all(mean >= floor for mean in means.values()),
                metadata={"floor": floor} | means,
            )
        ],
    )
