"""`activation_chunks`: the language model's activations on the contexts, at the checkpoint's hook point."""

import time
from collections.abc import Iterator

import dagster as dg

from sae_assets.activations.batch import NotFiniteError
from sae_assets.activations.chunk_work import UnfitActivationsError
from sae_assets.activations.source import FORMAT
from sae_assets.assets.contexts import tokenized_contexts
from sae_assets.assets.run_page import alone_on, step_progress
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings

FINITE = dg.AssetCheckSpec(
    "activations_are_finite",
    asset="activation_chunks",
    blocking=True,
    description="No activation of a token that counts is NaN or infinite.",
)
FITTING = dg.AssetCheckSpec(
    "activations_fit_the_checkpoint",
    asset="activation_chunks",
    blocking=True,
    description="The model has the checkpoint's hook point, and its activations there have the checkpoint's d_model.",
)


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="activations",
    kinds={"torch", "parquet"},
    pool="gpu",
    deps=[tokenized_contexts],
    code_version=str(FORMAT),
    check_specs=[FINITE, FITTING],
    automation_condition=dg.AutomationCondition.on_missing(),
)
def activation_chunks(
    context: dg.AssetExecutionContext, checkpoints: Checkpoints, settings: dg.ResourceParam[RunSettings]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Activations in chunks of consecutive contexts; what this or another checkpoint made is not made again."""
    began = time.monotonic()
    with step_progress(context) as progress:
        run = checkpoints.analysis(context.partition_key, settings)
        try:
            with alone_on(run.devices, context):
                made = run.make_chunks(progress)
        except (NotFiniteError, UnfitActivationsError) as error:
            check = FINITE if isinstance(error, NotFiniteError) else FITTING
            yield dg.AssetCheckResult(check_name=check.name, passed=False, metadata={"problem": str(error)})
            raise
    manifest, seconds = made.manifest, time.monotonic() - began
    n_new = sum(len(manifest.contexts_of(number)) for number in made.made) * manifest.form.context_size
    if not made.made:
        context.log.info("The activations are there already and are up to date.")
    rate = {"tokens/s": round(n_new / seconds)} if n_new else {}
    yield dg.MaterializeResult(
        data_version=dg.DataVersion(f"{run.on_disk.fingerprint}/{run.hook_point}"),
        metadata={
            "reused": not made.made,
            "chunks": len(manifest.chunks),
            "chunks made": len(made.made),
            **rate,
            "bytes": manifest.n_bytes,
            "shape": f"{manifest.n_contexts} × {manifest.form.context_size} × {manifest.form.d_model}",
            "dtype": manifest.form.dtype,
            "hook point": run.hook_point,
            "folder": dg.MetadataValue.path(str(run.on_disk.folder.chunks(run.hook_point))),
        },
        check_results=[
            dg.AssetCheckResult(check_name=FINITE.name, passed=True),
            dg.AssetCheckResult(check_name=FITTING.name, passed=True, metadata={"d_model": manifest.form.d_model}),
        ],
    )
