"""`feature_documents`: the analysis in the store, where people look at it."""

import os
from urllib.parse import quote

import dagster as dg

from sae_assets.assets.logits import direct_logit_attributions
from sae_assets.assets.run_page import step_progress
from sae_assets.assets.summaries import feature_summaries
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import RunSettings
from sae_assets.runners.analyze import publish_summaries
from sae_assets.runners.logits import publish_table
from sae_assets.runners.summaries import make_summaries

WEB_VARIABLE = "SAE_ASSETS_WEB_URL"
WEB_URL = "http://127.0.0.1:3001"
"""Where `sae-assets serve` listens unless told otherwise."""
EVERY_FEATURE = dg.AssetCheckSpec(
    "every_feature_has_a_document",
    asset="feature_documents",
    blocking=True,
    description="The published analysis has one document and one row of logits for each feature of the checkpoint.",
)


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="features",
    kinds={"mongodb"},
    deps=[feature_summaries, direct_logit_attributions],
    check_specs=[EVERY_FEATURE],
    automation_condition=dg.AutomationCondition.on_missing(),
)
def feature_documents(
    context: dg.AssetExecutionContext,
    checkpoints: Checkpoints,
    feature_store: FeatureStore,
    settings: dg.ResourceParam[RunSettings],
) -> dg.MaterializeResult:
    """Statistics, samples, contexts and logits in MongoDB, in place of the analysis' earlier version."""
    key = context.partition_key
    with step_progress(context) as progress:
        run = checkpoints.analysis(key, settings)
        table = checkpoints.logits(key, settings)
        stored = make_summaries(run, progress).stored
        with feature_store.open() as store:
            published = publish_summaries(run, stored, store, progress)
            n_logits = publish_table(table, table.make_logits(progress).stored, store, progress).n_features
    summaries = stored.summaries
    return dg.MaterializeResult(
        metadata={
            "features": published.n_features,
            "contexts": len(summaries.sampled_contexts),
            "published": str(published.published_at),
            "look at all": dg.MetadataValue.url(features_url(published.analysis)),
            "look at one": dg.MetadataValue.md(f"`sae-assets show feature {key} {int(summaries.act_times.argmax())}`"),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=EVERY_FEATURE.name,
                passed=published.n_features == n_logits == summaries.d_sae,
                metadata={"features": summaries.d_sae, "documents": published.n_features, "rows of logits": n_logits},
            )
        ],
    )


def features_url(analysis: str) -> str:
    """The list of the features of an analysis `series/name/analysis` in the web UI."""
    root = os.environ.get(WEB_VARIABLE, WEB_URL).rstrip("/")
    return f"{root}/saes/{'/'.join(quote(part, safe='') for part in analysis.split('/'))}/features"
