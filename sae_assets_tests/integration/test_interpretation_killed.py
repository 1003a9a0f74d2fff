"""`kill -9` in the middle of an interpretation costs nothing twice: no prompt that was answered is sent again."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sae_assets.store.explanations import explained_features
from sae_assets_tests.interpretation.judges import Ask, explanation
from sae_assets_tests.interpretation.llm_server import Fault, LLMServer, Reply, Request, cut_connection
from sae_assets_tests.processes import SAE_ASSETS, run_command
from sae_assets_tests.project import TinyProject
from sae_assets_tests.store.results import Result, made_up, publish, sae_document

pytestmark = pytest.mark.slow

SAE_ID = "demo/l10"
D_SAE, N_FEATURES = 600, 500
N_ANSWERED = 700
"""Requests that are answered before the first kill; all features together take some 2,000."""
MAX_WORKERS = 8
WAITS_S = 120


@cache
def analysis() -> Result:
    return made_up(d_sae=D_SAE, bias=-4.0)


@cache
def asked_for() -> list[int]:
    """The features to explain: of those with few samples two may look alike, and no prompt is to be that of two."""
    n_samples = (analysis().summaries.samples["top_activations"].context_idx >= 0).sum(1).tolist()
    return [index for index, n in enumerate(n_samples) if n > 3][:N_FEATURES]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyProject]:
    """An analysis of 600 features."""
    root = tmp_path_factory.mktemp("killed")
    with TinyProject(root, model=root, text=root).served() as project, project.store() as store:
        publish(store, analysis(), sae_document(d_sae=D_SAE))
        yield project


@pytest.fixture
def project(published: TinyProject) -> TinyProject:
    """The analysis without explanations, answers or memory of earlier tests."""
    with published.store() as store:
        for name in store.database.list_collection_names():
            if name.startswith("explanation"):
                store[name].delete_many({})
    for path in _data(published).glob("answers.sqlite*"):
        path.unlink()
    return published


def a_phrase_for_each_prompt(ask: Ask) -> dict[str, Any]:
    """Explains every feature differently, so that no two features share a prompt, and says yes to every window."""
    if ask.kind == "explaining":
        shown = json.dumps([ask.examples, ask.marks])
        return explanation(f"texts like {hashlib.sha256(shown.encode()).hexdigest()[:12]}")
    return {"verdicts": [True] * len(ask.examples)}


def prompts(requests: list[Request]) -> Counter[str]:
    """How often each prompt was sent."""
    return Counter(json.dumps(request.payload, sort_keys=True) for request in requests)


def test_no_answered_prompt_is_sent_again_after_a_kill(project):
    held = Held(N_ANSWERED)
    with LLMServer(a_phrase_for_each_prompt, fault_for=held) as llm:
        with running(project, llm) as process:
            wait_until(lambda: n_answers(project) == N_ANSWERED, process)
            wait_until(lambda: len(llm.requests) == N_ANSWERED + MAX_WORKERS, process)
            process.kill()
        answered, unanswered = llm.requests[:N_ANSWERED], llm.requests[N_ANSWERED:]
        held.let_go()
        again = run_command(project, "interpret", settings_file(project, llm))
        assert again.returncode == 0, again.stderr
        sent_again = llm.requests[N_ANSWERED + MAX_WORKERS :]
    assert prompts(answered).most_common(1)[0][1] == 1, "two features share a prompt"
    assert not prompts(answered) & prompts(sent_again)
    assert prompts(unanswered) <= prompts(sent_again)
    assert prompts(sent_again).most_common(1)[0][1] == 1
    assert explained(project) == set(asked_for())


def test_many_kills_at_random_moments_repeat_no_more_than_what_was_under_way(project):
    rng = random.Random(5)
    n_kills = 3
    with LLMServer(a_phrase_for_each_prompt, latency=0.002) as llm:
        for _ in range(n_kills):
            n_requests = len(llm.requests) + rng.randrange(20, 300)
            with running(project, llm) as process:
                wait_until(lambda n=n_requests: len(llm.requests) >= n, process)
                time.sleep(rng.random() / 20)
                process.kill()
        last = run_command(project, "interpret", settings_file(project, llm))
        assert last.returncode == 0, last.stderr
        sent = prompts(llm.requests)
        n_requests = len(llm.requests)
        after = run_command(project, "interpret", settings_file(project, llm))
        assert after.returncode == 0 and len(llm.requests) == n_requests
    assert sum(sent.values()) - len(sent) <= n_kills * MAX_WORKERS
    assert max(sent.values()) <= 1 + n_kills
    assert explained(project) == set(asked_for())


class Held:
    """Holds every request after the first `n` without an answer, until it lets go; then none."""

    def __init__(self, n: int):
        self._n_left = n
        self._over = threading.Event()

    def __call__(self, request: Request) -> Fault | None:
        self._n_left -= 1
        return None if self._n_left >= 0 or self._over.is_set() else self._hold

    def _hold(self, reply: Reply) -> None:
        self._over.wait()
        with suppress(OSError):
            cut_connection(reply)

    def let_go(self) -> None:
        self._over.set()


def settings_file(project: TinyProject, llm: LLMServer) -> Path:
    lines = [
        'sae_series = "demo"',
        'sae_name = "l10"',
        f"features = {asked_for()}",
        f"max_workers = {MAX_WORKERS}",
        "[auto_interp]",
        f'openai_base_url = "{llm.base_url}"',
    ]
    path = project.root / "interpret.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@contextmanager
def running(project: TinyProject, llm: LLMServer) -> Iterator[subprocess.Popen[bytes]]:
    """The command at work in a process of its own, which ends with the block at the latest."""
    command = [str(SAE_ASSETS), "interpret", str(settings_file(project, llm))]
    with (project.root / "killed.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=project.root, env=project.environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Waits for something that comes before the process ends."""
    deadline = time.monotonic() + WAITS_S
    while not is_so():
        assert process.poll() is None, "the run ended by itself; see killed.log"
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.01)


def n_answers(project: TinyProject) -> int:
    """Answers that lie in the cache by now, as another process sees them."""
    path = _data(project) / "answers.sqlite"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, timeout=60)) as connection, suppress(sqlite3.OperationalError):
        return connection.execute("SELECT count(*) FROM answers").fetchone()[0]
    return 0


def explained(project: TinyProject) -> set[int]:
    with project.store() as store:
        return explained_features(store, SAE_ID, "default")


def _data(project: TinyProject) -> Path:
    return Path(str(project.data.root))
