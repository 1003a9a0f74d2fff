"""`feature_summaries`: what every feature activates on."""

import time
from functools import partial

import dagster as dg

from sae_assets.activations.context_file import read_contexts
from sae_assets.assets.activations import activation_chunks
from sae_assets.assets.describe import density_histogram, example_features
from sae_assets.assets.run_page import alone_on, step_progress
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings
from sae_assets.runners.analysis_run import FORMAT
from sae_assets.runners.summaries import make_summaries

DEAD_SHARE = dg.AssetCheckSpec(
    "dead_share_within_bounds",
    asset="feature_summaries",
    description="Not more features are dead on the analysed tokens than `checks.max_dead_share` allows.",
)
L0 = dg.AssetCheckSpec(
    "l0_within_bounds",
    asset="feature_summaries",
    description="The mean number of active features a token lies within `checks.min_l0` and `checks.max_l0`.",
)


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="features",
    kinds={"torch", "parquet"},
    pool="gpu",
    deps=[activation_chunks],
    code_version=str(FORMAT),
    check_specs=[DEAD_SHARE, L0],
    automation_condition=dg.AutomationCondition.on_missing(),
)
def feature_summaries(
    context: dg.AssetExecutionContext, checkpoints: Checkpoints, settings: dg.ResourceParam[RunSettings]
) -> dg.MaterializeResult:
    """Statistics and sample contexts, one row a feature."""
    began = time.monotonic()
    with step_progress(context) as progress:
        run = checkpoints.analysis(context.partition_key, settings)
        bounds = checkpoints.settings(context.partition_key, settings).checks
        with alone_on(run.devices, context):
            made = make_summaries(run, progress)
    seconds = time.monotonic() - began
    summaries = made.stored.summaries
    dead_share = 1 - summaries.n_alive / summaries.d_sae
    if made.is_reused:
        context.log.info("The summaries are there already and are up to date.")
    rate = {} if made.is_reused else {"tokens/s": round(summaries.n_analyzed_tokens / seconds)}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(run.identity),
        metadata={
            "reused": made.is_reused,
            "checkpoint format": run.checkpoint_format,
            "tokens": summaries.n_analyzed_tokens,
            **rate,
            "alive features": summaries.n_alive,
            "dead features": summaries.d_sae - summaries.n_alive,
            "L0": summaries.l0,
            "density": density_histogram(summaries),
            "examples": example_features(summaries, partial(read_contexts, run.on_disk.folder.contexts)),
            "bytes": run.folder.summaries.stat().st_size,
            "file": dg.MetadataValue.path(str(run.folder.summaries)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=DEAD_SHARE.name,
                passed=dead_share <= bounds.max_dead_share,
                metadata={"dead share": dead_share, "allowed": bounds.max_dead_share},
            ),
            dg.AssetCheckResult(
                check_name=L0.name,
                passed=bounds.min_l0 <= summaries.l0 <= bounds.max_l0,
                metadata={"L0": summaries.l0, "from": bounds.min_l0, "to": bounds.max_l0},
            ),
        ],
    )
