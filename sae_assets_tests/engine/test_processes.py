"""What only worker processes do: die, share devices and cores, and end with their parent."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sae_assets.engine.processes import ProcessEngine
from sae_assets.engine.progress import Step
from sae_assets.settings import UserError
from sae_assets_tests.child_processes import leave_out_those_of_others, workers_of
from sae_assets_tests.engine.test_engines import results
from sae_assets_tests.engine.works import SIZE, Deadly, Meeting, Stillborn, tasks_of

ENGINE = ProcessEngine(n_workers=2)


@pytest.fixture(autouse=True, scope="module")
def others() -> None:
    leave_out_those_of_others()


@pytest.mark.parametrize("is_in_the_end", [False, True])
def test_tasks_of_a_killed_worker_are_done_by_another(tmp_path, is_in_the_end):
    assert results(ENGINE, Deadly(tmp_path / "deaths", 2, is_in_the_end), *range(8)) == list(range(8))


def test_progress_of_a_killed_worker_is_taken_back(tmp_path):
    steps: list[Step] = []
    list(ENGINE.map(Deadly(tmp_path / "deaths", 1), tasks_of(3), "items", "things", steps.append))
    assert [step.done for step in steps] == [0, SIZE, 0, SIZE, SIZE]


@pytest.mark.parametrize("is_in_the_end", [False, True])
def test_task_that_kills_three_workers_is_given_up_by_name(tmp_path, is_in_the_end):
    with pytest.raises(
        UserError, match=r"^Giving up item 3: 3 workers died over it; the last was killed by SIGKILL \("
    ):
        results(ENGINE, Deadly(tmp_path / "deaths", 9, is_in_the_end), 3)
    assert workers_of(psutil.Process()) == []


def test_work_that_never_starts_is_given_up():
    with pytest.raises(UserError, match=r"^No worker comes up: 3 died while .*; the last ended with exit code 3"):
        results(ENGINE, Stillborn(), *range(4))
    assert workers_of(psutil.Process()) == []


def test_workers_have_their_devices_and_share_the_cores(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = results(ProcessEngine(devices=("cpu", "meta")), Meeting(tmp_path, 2), *range(8))
    assert {present.device for present in found} == {"cpu", "meta"}
    assert len({present.process for present in found}) == 2
    assert {present.threads for present in found} == {max(1, len(os.sched_getaffinity(0)) // 2)}


def test_more_workers_than_devices_share_them(tmp_path):
    found = results(ProcessEngine(n_workers=3, devices=("cpu", "meta")), Meeting(tmp_path, 3), *range(6))
    devices = {present.process: present.device for present in found}
    assert sorted(device or "" for device in devices.values()) == ["cpu", "cpu", "meta"]


SCRIPT = """
from sae_assets.engine.processes import ProcessEngine
from sae_assets_tests.engine.works import Square, tasks_of

print([done.result for done in ProcessEngine(2).map(Square({seconds}), tasks_of(*range(3)), "items", "things")])
"""


def script(folder: Path, seconds: float) -> list[str]:
    file = folder / "script.py"
    file.write_text(SCRIPT.format(seconds=seconds))
    return [sys.executable, str(file)]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_script_without_a_guard_of_its_main_part_works(tmp_path):
    found = subprocess.run(script(tmp_path, 0), capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
    assert sorted(found.stdout.strip("[]\n").split(", ")) == ["0", "1", "4"], found.stderr


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    parent = psutil.Popen(script(tmp_path, 60), env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while len(workers_of(parent)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    children = workers_of(parent)
    assert len(children) == 2
    time.sleep(1)  # until they compute
    parent.kill()
    parent.wait()
    assert psutil.wait_procs(children, timeout=10)[1] == []
