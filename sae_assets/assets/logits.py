"""`direct_logit_attributions`: which output tokens every feature promotes."""

import dagster as dg

from sae_assets.assets.run_page import alone_on, step_progress
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings
from sae_assets.runners.logits_run import FORMAT

N_EXAMPLES = 10


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="features",
    kinds={"torch", "parquet"},
    pool="gpu",
    code_version=str(FORMAT),
    automation_condition=dg.AutomationCondition.on_missing(),
)
def direct_logit_attributions(
    context: dg.AssetExecutionContext, checkpoints: Checkpoints, settings: dg.ResourceParam[RunSettings]
) -> dg.MaterializeResult:
    """The decoder projected onto the output tokens, one row a feature; needs the checkpoint and the model only."""
    with step_progress(context) as progress:
        run = checkpoints.logits(context.partition_key, settings)
        with alone_on([run.device], context):
            made = run.make_logits(progress)
    logits, texts = made.stored.logits, made.stored.texts
    strongest = logits.maximum.topk(min(N_EXAMPLES, len(logits.maximum))).indices.tolist()
    records = [
        dg.TableRecord(
            {
                "index": feature,
                "largest logit": float(logits.maximum[feature]),
                "promotes": " ".join(repr(texts[token]) for token in logits.top_tokens[feature, :5].tolist()),
            }
        )
        for feature in strongest
    ]
    if made.is_reused:
        context.log.info("The logits are there already and are up to date.")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(run.identity),
        metadata={
            "reused": made.is_reused,
            "variant": logits.variant,
            "features": len(logits.maximum),
            "examples": dg.MetadataValue.table(records),
            "bytes": run.folder.logits.stat().st_size,
            "file": dg.MetadataValue.path(str(run.folder.logits)),
        },
    )
