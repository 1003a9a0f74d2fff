"""What only a cluster does: lose nodes, be too small, be missing."""

import subprocess
import sys

import pytest

from sae_assets.engine.engine import engine_of
from sae_assets.engine.work import Engine
from sae_assets.settings import UserError
from sae_assets.settings.engine import EngineConfig
from sae_assets_tests.engine.conftest import NODE
from sae_assets_tests.engine.test_engines import results
from sae_assets_tests.engine.works import Deadly, Meeting, Square, Stillborn, tasks_of


def engine_on(cluster, **values) -> Engine:
    return engine_of(EngineConfig(type="ray", address=cluster.address, **values))


def test_as_many_workers_as_have_room(ray_cluster, tmp_path):
    assert len({present.process for present in results(engine_on(ray_cluster), Meeting(tmp_path, 2), *range(8))}) == 2


def test_workers_without_room_are_waited_for_by_nobody(ray_cluster):
    assert results(engine_on(ray_cluster, n_workers=5), Square(0.1), *range(8)) == [n * n for n in range(8)]


def test_tasks_of_a_lost_node_are_done_elsewhere(ray_cluster, tmp_path):
    doomed = ray_cluster.add_node(**NODE)
    ray_cluster.wait_for_nodes()
    met = engine_on(ray_cluster).map(Meeting(tmp_path, 3), tasks_of(*range(200)), "items", "things")
    numbers = [next(met).task.item]
    ray_cluster.remove_node(doomed, allow_graceful=False)
    numbers += [done.task.item for done in met]
    assert sorted(numbers) == list(range(200))


def test_task_of_a_killed_worker_is_done_by_another(ray_cluster, tmp_path):
    assert results(engine_on(ray_cluster), Deadly(tmp_path / "deaths", 2), *range(6)) == list(range(6))


def test_task_that_kills_three_workers_is_given_up_by_name(ray_cluster, tmp_path):
    with pytest.raises(UserError, match=r"^Giving up item 3: 3 workers died over it; the last was lost with its proc"):
        results(engine_on(ray_cluster, n_workers=1), Deadly(tmp_path / "deaths", 9), 3)


def test_work_that_never_starts_is_given_up(ray_cluster):
    with pytest.raises(UserError, match=r"^No worker comes up: 3 died"):
        results(engine_on(ray_cluster, n_workers=1), Stillborn(), 1)


def test_cluster_without_a_gpu_has_no_room_for_a_worker_with_one(ray_cluster):
    with pytest.raises(UserError, match=r"^No node of .* has room for a worker with num_cpus=1 and num_gpus=1;"):
        results(engine_on(ray_cluster, num_gpus=1, n_workers=1), Square(), 1)


def test_connection_of_somebody_else_is_used_and_stays(ray_cluster):
    import ray

    ray.init(ray_cluster.address)
    try:
        assert results(engine_on(ray_cluster), Square(), 1, 2) == [1, 4]
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_own_connection_is_closed(ray_cluster):
    import ray

    results(engine_on(ray_cluster), Square(), 1)
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_missing_cluster_is_one_sentence(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "localhost:1")
    named = "localhost:1" if address == "auto" else address
    with pytest.raises(UserError, match=rf"^There is no usable Ray cluster at '{named}' \(.*\); start one with `ray "):
        results(engine_of(EngineConfig(type="ray", address=address)), Square(), 1)


WITHOUT_RAY = """
import sys

class NoRay:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "ray":
            raise ModuleNotFoundError("No module named 'ray'")

sys.meta_path.insert(0, NoRay())
from sae_assets.engine.engine import engine_of
from sae_assets.settings import UserError
from sae_assets.settings.engine import EngineConfig
try:
    engine_of(EngineConfig(type="ray"))
except UserError as error:
    print(error)
"""


def test_missing_package_is_one_sentence():
    found = subprocess.run([sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, timeout=60)
    assert found.stdout == ("The engine \"ray\" needs Ray, which is not installed: pip install 'sae-assets[ray]'.\n"), (
        found.stderr
    )
