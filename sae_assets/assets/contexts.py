"""`tokenized_contexts`: the datasets' text as contexts of token ids."""

import dagster as dg

from sae_assets.activations.source import FORMAT
from sae_assets.assets.run_page import step_progress
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.run_config import RunSettings

AS_MANY_TOKENS_AS_ASKED = dg.AssetCheckSpec(
    "as_many_tokens_as_asked",
    asset="tokenized_contexts",
    description="The contexts hold as many tokens as the analysis asks for; else it analyses what there is.",
)


@dg.asset(
    partitions_def=SAE_CHECKPOINTS,
    group_name="activations",
    kinds={"huggingface", "parquet"},
    code_version=str(FORMAT),
    check_specs=[AS_MANY_TOKENS_AS_ASKED],
    automation_condition=dg.AutomationCondition.on_missing(),
)
def tokenized_contexts(
    context: dg.AssetExecutionContext, checkpoints: Checkpoints, settings: dg.ResourceParam[RunSettings]
) -> dg.MaterializeResult:
    """Contexts of one fixed length, cut from the datasets; shared by all checkpoints on the same activation source."""
    with step_progress(context) as progress:
        run = checkpoints.analysis(context.partition_key, settings)
        made = run.make_contexts(progress)
    report = made.report
    if made.is_reused:
        context.log.info("The contexts are there already and are up to date.")
    return dg.MaterializeResult(
        data_version=dg.DataVersion(run.on_disk.fingerprint),
        metadata={
            "reused": made.is_reused,
            "tokens": report.n_tokens,
            "contexts": report.n_contexts,
            "padding and ignored": dg.FloatMetadataValue(1 - report.n_tokens / report.n_positions),
            "characters a token": report.n_characters / report.n_tokens,
            "file": dg.MetadataValue.path(str(run.on_disk.folder.contexts)),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=AS_MANY_TOKENS_AS_ASKED.name,
                passed=not report.is_short,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"tokens": report.n_tokens, "asked for": report.token_budget or "all"},
            )
        ],
    )
