"""Materializing assets of a project in this process, and reading what came of it."""

from typing import Any

import dagster as dg

from sae_assets.definitions import defs
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints, FeatureStore
from sae_assets.run_config import settings_resource
from sae_assets_tests.project import SAE_ID, TinyProject

ASSETS = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
PARTITION = str(SAE_CHECKPOINTS.name)


def materialize(
    project: TinyProject, *assets: str, key: str | None = SAE_ID, config: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    """Materializes assets of a project, all where none is named; a failed step does not raise."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(PARTITION, [key] if key else [])
        return dg.materialize(
            ASSETS,
            selection=assets or None,
            partition_key=key,
            instance=instance,
            raise_on_error=False,
            resources={
                "checkpoints": Checkpoints(roots=str(project.checkpoints), data_folder=str(project.data.root)),
                "feature_store": FeatureStore(data_folder=str(project.data.root)),
                "settings": settings_resource,
            },
            run_config={"resources": {"settings": {"config": config}}} if config else None,
        )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of a materialization, as plain values."""
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Which checks passed."""
    return {check.check_name: check.passed for check in result.get_asset_check_evaluations()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The text that a failed run ends with."""
    assert not result.success
    (event,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)
