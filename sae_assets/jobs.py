"""The job of a checkpoint's whole analysis, and the schedule that runs it again where its result is out of date."""

from collections.abc import Iterator

import dagster as dg

from sae_assets.analysis.logits_file import logits_about
from sae_assets.analysis.summary_file import summaries_about
from sae_assets.assets.exports import EXPORTS
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings
from sae_assets.settings import UserError

register_checkpoints = dg.define_asset_job(
    "register_checkpoints",
    selection="checkpoint_registry",
    description="Makes every complete checkpoint on disk a partition.",
)
analyze_checkpoint = dg.define_asset_job(
    "analyze_checkpoint",
    selection=dg.AssetSelection.all()
    - dg.AssetSelection.assets("checkpoint_registry")
    - dg.AssetSelection.groups(EXPORTS),
    partitions_def=SAE_CHECKPOINTS,
    description="From tokenized contexts to explained features; what is up to date is reused.",
)


@dg.schedule(job=analyze_checkpoint, cron_schedule="0 3 * * *")
def reanalysis_schedule(
    context: dg.ScheduleEvaluationContext, checkpoints: Checkpoints
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Every night, a run for each checkpoint whose settings, source, weights or code are not those of its result."""
    n_current = 0
    for key in context.instance.get_dynamic_partitions(str(SAE_CHECKPOINTS.name)):
        try:
            run, table = checkpoints.analysis(key, RunSettings({})), checkpoints.logits(key, RunSettings({}))
            about, logits = summaries_about(run.folder.summaries), logits_about(table.folder.logits)
            if about is not None and (about.identity, logits) != (run.identity, table.identity):
                yield dg.RunRequest(partition_key=key, run_key=f"{key}:{run.identity}:{table.identity}")
            else:
                n_current += 1
        except UserError as error:
            context.log.warning(f"Left out {key}: {error}")
    yield dg.SkipReason(f"{n_current} checkpoints are up to date, or never were analysed.")
