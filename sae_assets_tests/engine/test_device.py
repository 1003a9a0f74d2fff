"""A device is held by one process at a time, and by none that was killed."""

import signal
import subprocess
import sys
import threading

import pytest

from sae_assets.engine.device import device_lease

HOLD = """
import time
from sae_assets.engine.device import device_lease
with device_lease({name!r}, lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def name(request, tmp_path) -> str:
    return f"test:{request.node.name}:{tmp_path.name}"


def hold(name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD.format(name=name)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_free_device_is_taken_without_waiting(name):
    waited = []
    with device_lease(name, lambda: waited.append(1)):
        pass
    assert waited == []


def test_a_device_of_a_killed_process_is_free(name):
    process = hold(name)
    process.send_signal(signal.SIGKILL)
    process.wait()
    waited = []
    with device_lease(name, lambda: waited.append(1)):
        assert waited == []


def test_the_next_process_waits_and_says_so(name):
    process = hold(name)
    waiting, taken = threading.Event(), threading.Event()

    def take() -> None:
        with device_lease(name, waiting.set):
            taken.set()

    thread = threading.Thread(target=take)
    thread.start()
    assert waiting.wait(10) and not taken.is_set()
    process.kill()
    assert taken.wait(10)
    thread.join()
