"""What the engines cost and give: `python benchmarks/engines.py`. Prints JSON lines.

Start-up is the time to the result of a single task that does nothing. The overhead is what a task of 1 ms takes longer,
with one worker. Scaling is how much faster two workers are than one, on work of one thread. The Ray cluster is one of
two nodes on this machine, and the time to start it does not count.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from spin import Spin

from sae_assets.engine.engine import engine_of
from sae_assets.engine.work import Engine, Task
from sae_assets.settings.engine import EngineConfig

REPEATS = 3
N_SHORT = 500
SHORT_S = 0.001
N_LONG = 8
LONG_S = 0.5


def main() -> None:
    """Measures every engine, in turn, and prints the best of each."""
    with _ray_cluster() as address:
        configs = [
            {"type": "inline"},
            *({"type": "processes", "n_workers": n} for n in (1, 2)),
            *({"type": "ray", "n_workers": n, "address": address} for n in (1, 2)),
        ]
        engines = {
            f"{config['type']} {config.get('n_workers', 1)}": engine_of(EngineConfig.model_validate(config))
            for config in configs
        }
        start_up = _fastest(engines, 1, 0)
        short = _fastest(engines, N_SHORT, SHORT_S)
        long = _fastest(engines, N_LONG, LONG_S)
    for name in engines:
        kind, n_workers = name.split()
        numbers = {"engine": kind, "n_workers": int(n_workers), "start_up_s": round(start_up[name], 3)}
        working_s = {tasks: seconds[name] - start_up[name] for tasks, seconds in (("short", short), ("long", long))}
        if n_workers == "1":
            numbers["overhead_ms_a_task"] = round((working_s["short"] / N_SHORT - SHORT_S) * 1000, 3)
        else:
            numbers["scaling"] = round((long[f"{kind} 1"] - start_up[f"{kind} 1"]) / working_s["long"], 2)
        print(json.dumps(numbers))


def _fastest(engines: dict[str, Engine], n_tasks: int, seconds: float) -> dict[str, float]:
    """The least time of each engine in seconds; they take turns, so that all meet the same machine."""
    tasks = [Task(f"task {number}", seconds, 1) for number in range(n_tasks)]
    fastest = dict.fromkeys(engines, float("inf"))
    for _ in range(REPEATS):
        for name, engine in engines.items():
            began = time.perf_counter()
            n_done = sum(1 for _ in engine.map(Spin(), tasks, "tasks", "tasks"))
            assert n_done == n_tasks
            fastest[name] = min(fastest[name], time.perf_counter() - began)
    return fastest


@contextmanager
def _ray_cluster() -> Iterator[str]:
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # on the loopback interface only
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        head = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False, "temp_dir": folder}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        cluster.wait_for_nodes()
        yield str(cluster.address)
        cluster.shutdown()


if __name__ == "__main__":
    main()
