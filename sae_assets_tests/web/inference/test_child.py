"""A child process works when it is asked, and is there when it is needed, whatever became of the one before."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psutil
import pytest

from sae_assets.settings import UserError
from sae_assets.web.inference.child import MOST_WAITING, BusyError, ChildProcess
from sae_assets_tests.child_processes import workers_of
from sae_assets_tests.web.inference.works import Doing

WHAT = "is tried"


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    child = ChildProcess(Doing(), WHAT, idle_s=60)
    yield child
    child.close()
    assert workers_of(psutil.Process()) == []


def eventually(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def test_one_process_that_is_started_when_first_asked_answers_all(child):
    assert workers_of(psutil.Process()) == []
    answers = [child.ask(number, 60) for number in range(3)]
    assert [answer.item for answer in answers] == [0, 1, 2]
    assert [process.pid for process in workers_of(psutil.Process())] == [answers[0].process]
    assert {answer.process for answer in answers} == {answers[0].process} != {os.getpid()}


def test_each_of_many_threads_gets_its_own_answer(child):
    with ThreadPoolExecutor(MOST_WAITING) as threads:
        assert [answer.item for answer in threads.map(lambda n: child.ask(n, 60), range(40))] == list(range(40))


def test_progress_is_told_to_the_one_who_asked(child):
    told: list[int] = []
    child.ask(("sleep", 0), 60, told.append)
    child.ask("something else", 60)
    assert told == [1]


def test_process_ends_when_idle_and_another_one_is_there_when_asked_again():
    child = ChildProcess(Doing(), WHAT, idle_s=0.3)
    first = child.ask(1, 60).process
    assert eventually(lambda: not psutil.pid_exists(first))
    second = child.ask(2, 60)
    assert second.item == 2 and second.process != first
    child.close()


def test_process_that_is_asked_again_and_again_is_not_idle():
    child = ChildProcess(Doing(), WHAT, idle_s=2)
    processes = set()
    for _ in range(6):
        processes.add(child.ask(1, 60).process)
        time.sleep(0.4)
    assert len(processes) == 1
    assert child.ask(("sleep", 2.5), 60).process in processes
    child.close()


def test_process_that_was_killed_is_replaced(child):
    first = child.ask(1, 60).process
    os.kill(first, signal.SIGKILL)
    second = child.ask(2, 60)
    assert second.item == 2 and second.process != first


def test_request_over_which_the_process_dies_is_tried_once_more(child, tmp_path):
    assert child.ask(("die", str(tmp_path / "deaths"), 1), 60).item[0] == "die"


def test_request_that_kills_twice_is_given_up_and_the_next_one_is_answered(child, tmp_path):
    with pytest.raises(UserError, match=r"^The process that is tried died 2 times over this; the last time it "):
        child.ask(("die", str(tmp_path / "deaths"), 9), 60)
    assert (tmp_path / "deaths").stat().st_size == 2
    assert child.ask(1, 60).item == 1


def test_mistake_comes_back_as_it_was_and_the_process_lives_on(child):
    first = child.ask(1, 60).process
    with pytest.raises(UserError, match=r"^This cannot be done\."):
        child.ask(("fail",), 60)
    assert child.ask(2, 60).process == first


def test_late_answer_is_not_taken_for_that_of_the_next_request(child):
    first = child.ask(1, 60).process
    with pytest.raises(BusyError, match=r"^The process that is tried did not answer within 0\.5 s: it is busy"):
        child.ask(("sleep", 2), 0.5)
    answer = child.ask(2, 60)
    assert (answer.item, answer.process) == (2, first)
    with pytest.raises(BusyError):
        child.ask(("sleep", 1), 0.3)
    with pytest.raises(UserError, match="This cannot be done"):
        child.ask(("fail",), 60)


def test_request_waits_no_longer_for_its_turn_than_it_may(child):
    child.ask(1, 60)
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(child.ask, ("sleep", 4), 60)
        assert eventually(running.running)
        time.sleep(0.2)
        began = time.monotonic()
        with pytest.raises(BusyError):
            child.ask(2, 0.3)
        assert time.monotonic() - began < 3
        assert running.result().item == ("sleep", 4)


def test_more_than_a_few_waiting_requests_are_refused_at_once(child):
    is_running = Event()
    with ThreadPoolExecutor(MOST_WAITING) as threads:
        waiting = [threads.submit(child.ask, ("sleep", 3), 60, lambda _: is_running.set())]
        assert is_running.wait(60)
        waiting += [threads.submit(child.ask, number, 60) for number in range(MOST_WAITING - 1)]
        time.sleep(0.5)
        with pytest.raises(BusyError, match=r"^Too many requests wait for the process that is tried; try again in"):
            child.ask(2, 60)
        assert [each.result().item for each in waiting] == [("sleep", 3), *range(MOST_WAITING - 1)]
    assert child.ask(2, 60).item == 2


def test_closing_ends_what_is_running_and_nothing_is_started_again(child):
    child.ask(1, 60)
    with ThreadPoolExecutor(2) as threads:
        running = [threads.submit(child.ask, ("sleep", 60), 90) for _ in range(2)]
        time.sleep(0.3)
        child.close()
        for each in running:
            with pytest.raises(UserError, match=r"^The process that is tried is being ended\.$"):
                each.result(5)
    assert workers_of(psutil.Process()) == []
    with pytest.raises(UserError, match="is being ended"):
        child.ask(2, 60)


def test_interrupt_of_the_terminal_does_not_end_the_process(child):
    process = child.ask(1, 60).process
    os.kill(process, signal.SIGINT)
    assert child.ask(2, 60).process == process


SCRIPT = """
import time
from sae_assets.web.inference.child import ChildProcess
from sae_assets_tests.child_processes import workers_of
from sae_assets_tests.web.inference.works import Doing

child = ChildProcess(Doing(), "is tried", 600)
print(child.ask(1, 60).process, flush=True)
{last}
"""


def script(folder: Path, last: str) -> psutil.Popen:
    file = folder / "script.py"
    file.write_text(SCRIPT.format(last=last))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    return psutil.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True, env=environment)


@pytest.mark.parametrize("last", ["time.sleep(60)", "child.ask(('sleep', 60), 90)"])
def test_process_ends_with_a_parent_that_is_killed(tmp_path, last):
    parent = script(tmp_path, last)
    process = psutil.Process(int(parent.stdout.readline()))
    time.sleep(0.5)
    parent.kill()
    parent.wait()
    assert psutil.wait_procs([process], timeout=10)[1] == []


def test_parent_that_ends_without_closing_is_not_held_up(tmp_path):
    parent = script(tmp_path, "")
    process = psutil.Process(int(parent.stdout.readline()))
    assert parent.wait(10) == 0
    assert psutil.wait_procs([process], timeout=10)[1] == []


def test_nothing_is_left_of_a_closed_process(child):
    gc.collect()
    before = psutil.Process().num_fds()
    for _ in range(3):
        child.ask(1, 60)
        child.close()
        child = ChildProcess(Doing(), WHAT, idle_s=60)
    assert psutil.Process().num_fds() == before
