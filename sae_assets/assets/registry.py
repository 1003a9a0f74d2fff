"""`checkpoint_registry`: makes every complete checkpoint on disk a partition. What CI runs first."""

import dagster as dg

from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints


@dg.asset(group_name="checkpoints", kinds={"python"}, description=__doc__)
def checkpoint_registry(context: dg.AssetExecutionContext, checkpoints: Checkpoints) -> dg.MaterializeResult:
    """Registers the checkpoints under the checkpoint roots; one that is incomplete is left out and named."""
    found = checkpoints.found()
    problems = {checkpoint.key: checkpoint.problem() for checkpoint in found}
    complete = [key for key, problem in problems.items() if problem is None]
    name = str(SAE_CHECKPOINTS.name)
    known = set(context.instance.get_dynamic_partitions(name))
    new = [key for key in complete if key not in known]
    context.instance.add_dynamic_partitions(name, new)
    for key, problem in problems.items():
        if problem is not None:
            context.log.warning(f"Left out {key}: {problem}")
    roots = ", ".join(str(root.absolute()) for root in checkpoints.root_paths)
    if not complete:
        context.log.warning(f"There is no checkpoint under {roots}; put one at <root>/<series>/<name>/.")
    return dg.MaterializeResult(
        metadata={
            "checkpoints": len(complete),
            "new": new,
            "incomplete": {key: problem for key, problem in problems.items() if problem is not None},
            "roots": roots,
        }
    )
