"""A real Ray cluster of several nodes on this machine, and the three engines."""

import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sae_assets.engine.engine import engine_of
from sae_assets.engine.work import Engine
from sae_assets.settings.engine import EngineConfig

os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # on the loopback interface only
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20}


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator:
    """Two nodes with one core each, in a folder of their own that nothing is left of."""
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # short: it holds sockets
        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False, "temp_dir": folder})
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        yield cluster
        cluster.shutdown()


@pytest.fixture(params=["inline", "processes", "ray"])
def engine_with(request) -> Callable[..., Engine]:
    """Makes the engine of the parameter; `n_workers` is for those that have workers."""

    def make(n_workers: int = 2) -> Engine:
        if request.param == "inline":
            return engine_of(EngineConfig())
        if request.param == "processes":
            return engine_of(EngineConfig(type="processes", n_workers=n_workers))
        address = request.getfixturevalue("ray_cluster").address
        return engine_of(EngineConfig(type="ray", address=address, n_workers=n_workers))

    return make
