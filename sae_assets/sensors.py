"""`checkpoint_sensor`: makes a checkpoint a partition as soon as it is complete; automation then requests its run."""

import json

import dagster as dg

from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints


@dg.sensor(
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def checkpoint_sensor(context: dg.SensorEvaluationContext, checkpoints: Checkpoints) -> dg.SensorResult:
    """Adds the partitions of new checkpoints.

    A folder is taken when its config and weights can be read and its size is the same as at the tick before; the cursor
    holds the sizes of those that wait.
    """
    name = str(SAE_CHECKPOINTS.name)
    known = set(context.instance.get_dynamic_partitions(name))
    sizes_before: dict[str, int] = json.loads(context.cursor or "{}")
    complete, waiting = [], {}
    for checkpoint in checkpoints.found():
        if checkpoint.key in known:
            continue
        n_bytes = checkpoint.n_bytes
        if sizes_before.get(checkpoint.key) == n_bytes and checkpoint.problem() is None:
            complete.append(checkpoint.key)
        else:
            waiting[checkpoint.key] = n_bytes
    return dg.SensorResult(
        dynamic_partitions_requests=[SAE_CHECKPOINTS.build_add_request(complete)] if complete else [],
        cursor=json.dumps(waiting),
        skip_reason=None if complete else dg.SkipReason(f"No new checkpoint is complete; {len(waiting)} are waiting."),
    )


automation_sensor = dg.AutomationConditionSensorDefinition(
    "automation_sensor",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
