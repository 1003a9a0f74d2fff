"""New checkpoints become partitions once they are complete and still; changed ones are run again."""

import json
import shutil
from collections.abc import Iterator

import dagster as dg
import pytest

from sae_assets.jobs import reanalysis_schedule
from sae_assets.partitions import SAE_CHECKPOINTS
from sae_assets.resources import Checkpoints
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets.sensors import checkpoint_sensor
from sae_assets_tests.project import SAE_ID, TinyProject, write_sae

PARTITION = str(SAE_CHECKPOINTS.name)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def checkpoints_of(project: TinyProject) -> Checkpoints:
    return Checkpoints(roots=str(project.checkpoints), data_folder=str(project.data.root))


def tick(instance: dg.DagsterInstance, project: TinyProject, cursor: str | None) -> dg.SensorResult:
    """One evaluation of the sensor; its partition requests are carried out as the daemon would."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = checkpoint_sensor(context, checkpoints=checkpoints_of(project))
    assert isinstance(result, dg.SensorResult)
    for request in result.dynamic_partitions_requests or []:
        instance.add_dynamic_partitions(PARTITION, list(request.partition_keys))
    return result


def test_a_checkpoint_is_taken_when_its_size_is_still(instance, fresh_project):
    first = tick(instance, fresh_project, None)
    assert not first.dynamic_partitions_requests
    second = tick(instance, fresh_project, first.cursor)
    assert instance.get_dynamic_partitions(PARTITION) == [SAE_ID]
    third = tick(instance, fresh_project, second.cursor)
    assert not third.dynamic_partitions_requests and json.loads(third.cursor or "") == {}


def test_a_checkpoint_that_grows_or_is_cut_short_waits(instance, fresh_project):
    weights = fresh_project.checkpoint / "sae_weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    first = tick(instance, fresh_project, None)
    second = tick(instance, fresh_project, first.cursor)
    weights.write_bytes(whole)
    third = tick(instance, fresh_project, second.cursor)
    assert instance.get_dynamic_partitions(PARTITION) == []
    tick(instance, fresh_project, third.cursor)
    assert instance.get_dynamic_partitions(PARTITION) == [SAE_ID]


def test_a_new_partition_gets_a_run_of_all_assets_and_the_others_none(instance, fresh_project):
    from sae_assets.definitions import defs

    key = "tiny/second"
    instance.add_dynamic_partitions(PARTITION, [SAE_ID])
    first = dg.evaluate_automation_conditions(defs=defs, instance=instance)
    instance.add_dynamic_partitions(PARTITION, [key])
    second = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=first.cursor)
    requested = {
        name: second.get_requested_partitions(dg.AssetKey(name))
        for name in ("tokenized_contexts", "feature_explanations")
    }
    assert requested == {"tokenized_contexts": {key}, "feature_explanations": {key}}


def test_the_schedule_runs_what_is_out_of_date_and_nothing_else(instance, fresh_project):
    instance.add_dynamic_partitions(PARTITION, [SAE_ID])
    analyze_sae(fresh_project.analyze_settings(), data=fresh_project.data)
    direct_logit_attribute(fresh_project.logits_settings(), data=fresh_project.data)

    def requested() -> list[str | None]:
        with dg.build_schedule_context(instance=instance) as context:
            found = reanalysis_schedule(context, checkpoints=checkpoints_of(fresh_project))
            assert isinstance(found, Iterator)
            return [one.partition_key for one in found if isinstance(one, dg.RunRequest)]

    assert requested() == []
    settings = fresh_project.checkpoint.parent / "analysis.toml"
    before = settings.read_text()
    settings.write_text(f'{before}\n[direct_logit_attributor]\nvariant = "raw"\n')
    assert requested() == [SAE_ID]
    settings.write_text(before)
    assert requested() == []
    shutil.rmtree(fresh_project.checkpoint)
    write_sae(fresh_project.checkpoint, seed=1)
    assert requested() == [SAE_ID]
