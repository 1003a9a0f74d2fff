"""Asking as a run does, against a real server: nothing twice, nothing beyond the budget, by the server's own count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sae_assets.interpretation.answers import VerdictsAnswer
from sae_assets.interpretation.asking import BudgetEndedError, ask
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.failures import EndpointError
from sae_assets.interpretation.pricing import price_for
from sae_assets.interpretation.records import Usage
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.prices import ModelPrice
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.llm_server import Fault, LLMServer, Reply, Request, content, status
from sae_assets_tests.interpretation.questions import metered, question

RIGHT = VerdictsAnswer(verdicts=[True, False])
PRICES = {"gpt-3.5-turbo": ModelPrice(input=1000, output=10_000)}
COST = 0.2
"""Of a request to the scripted server, at these prices."""

ASKING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from sae_assets.interpretation.asking import ask
from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.questions import metered, question
llm = metered(AutoInterpConfig(openai_base_url=sys.argv[1]), cache=Path(sys.argv[2]))
with ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: ask(llm, question(number)), range(int(sys.argv[3]))))
"""


def asking(server: LLMServer, cache: Path, n: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", ASKING, server.base_url, str(cache), str(n)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def test_answer_has_its_cost_by_the_table(server: LLMServer, config: Config) -> None:
    cfg = config(prices=PRICES)
    ledger = Ledger(price_for(cfg))
    with closing(metered(cfg, ledger)) as llm:
        answer = ask(llm, question())
    assert (answer.value, answer.usage) == (RIGHT, Usage(1, 100, 10, 0, COST))
    assert (ledger.spent, ledger.saved) == (answer.usage, Usage())


def test_second_run_asks_nothing_and_pays_nothing(server: LLMServer, config: Config, cache: Path) -> None:
    cfg = config(prices=PRICES)
    answers = []
    for ledger in (Ledger(), Ledger(max_tokens=1)):
        with closing(metered(cfg, ledger, cache)) as llm:
            answers.append(llm.ask_all([question(number) for number in range(3)]))
    assert len(server.requests) == 3
    assert [one.usage for one in answers[1]] == [Usage(1, 100, 10, 0, COST, n_from_cache=1)] * 3
    assert [(one.value, one.text, one.model) for one in answers[0]] == [
        (one.value, one.text, one.model) for one in answers[1]
    ]
    assert (ledger.spent, ledger.saved._replace(cost=None)) == (Usage(), Usage(3, 300, 30))
    assert ledger.saved.cost == pytest.approx(3 * COST)


def test_other_model_options_or_attempt_is_another_question(server: LLMServer, config: Config, cache: Path) -> None:
    for n_asked, (cfg, attempt) in enumerate(
        [
            (config(), 0),
            (config(openai_model="other"), 0),
            (config(request_options={"temperature": 0}), 0),
            (config(), 1),
        ],
        start=1,
    ):
        for _ in range(2):
            with closing(metered(cfg, cache=cache)) as llm:
                assert ask(llm, question(attempt=attempt)).value == RIGHT
            assert len(server.requests) == n_asked


def test_answer_that_cannot_be_read_is_not_paid_for_twice(server: LLMServer, config: Config, cache: Path) -> None:
    server.faults = [content("I would rather not.")]
    for _ in range(2):
        with closing(metered(config(), cache=cache)) as llm:
            assert ask(llm, question()).problem == "the answer does not have the form asked for"
    assert len(server.requests) == 1


def test_failed_request_leaves_neither_answer_nor_cost(server: LLMServer, config: Config, cache: Path) -> None:
    server.faults = [status(400, "no")] * 3
    ledger = Ledger(max_tokens=500)
    with closing(metered(config(), ledger, cache)) as llm:
        with pytest.raises(EndpointError):
            ask(llm, question())
        assert ledger.spent == Usage()
        assert ask(llm, question()).value == RIGHT
    assert ledger.spent.requests == 1


def test_without_use_cache_all_is_asked_again_and_the_new_answer_kept(
    server: LLMServer, config: Config, cache: Path
) -> None:
    server.faults = [content('{"verdicts": [true]}'), content('{"verdicts": [false]}')]
    for use_cache, verdict in [(True, True), (True, True), (False, False), (True, False)]:
        with closing(metered(config(use_cache=use_cache), cache=cache)) as llm:
            assert ask(llm, question()).value == VerdictsAnswer(verdicts=[verdict])
    assert len(server.requests) == 2


def test_processes_share_what_was_answered(server: LLMServer, config: Config, cache: Path) -> None:
    assert asking(server, cache, 20).wait(60) == 0
    with closing(metered(config(), cache=cache)) as llm:
        assert all(ask(llm, question(number)).value == RIGHT for number in range(20))
    assert len(server.requests) == 20


def test_killed_run_asks_nothing_again_whose_answer_had_arrived(server: LLMServer, config: Config, cache: Path) -> None:
    first_answers, is_killed = 30, threading.Event()
    arrived = threading.Semaphore(0)

    def fault_for(_request: Request) -> Fault | None:
        # A thread sends the next request only once its last answer is in the cache.
        arrived.release()
        return None if len(server.requests) <= first_answers else hold

    def hold(_reply: Reply) -> None:
        is_killed.wait(30)

    server.fault_for = fault_for
    process = asking(server, cache, 100)
    for _ in range(first_answers + 8):
        assert arrived.acquire(timeout=60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    is_killed.set()
    before = [request.user for request in server.requests]
    server.fault_for = lambda _request: None
    assert asking(server, cache, 100).wait(60) == 0
    after = [request.user for request in server.requests[len(before) :]]
    assert set(before[:first_answers]).isdisjoint(after)
    assert len(after) == 100 - first_answers
    assert max(Counter(before + after).values()) == 2


@pytest.mark.parametrize("limit", [{"max_tokens": 2000}, {"max_cost": 2000 / 110 * COST}])
def test_budget_bounds_what_the_server_counted(server: LLMServer, config: Config, limit: dict[str, Any]) -> None:
    server.latency = 0.005
    cfg = config(prices=PRICES)
    ledger = Ledger(price_for(cfg), **limit)

    def until_ended(first: int) -> int:
        n_answered = 0
        with pytest.raises(BudgetEndedError):
            while True:
                assert ask(llm, question(first + n_answered)).value == RIGHT
                n_answered += 1
        return n_answered

    with closing(metered(cfg, ledger)) as llm, ThreadPoolExecutor(8) as pool:
        n_answered = sum(pool.map(until_ended, range(0, 8000, 1000)))
    # 110 tokens a request; the first ones were each guessed at more than that.
    assert n_answered == len(server.requests) == ledger.spent.requests == 2000 // 110
    assert ledger.has_ended


def test_closing_ends_those_who_wait_for_the_budget(server: LLMServer, config: Config) -> None:
    server.faults = [status(429, retry_after=100)]
    llm = metered(config(), Ledger(max_tokens=250))
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(ask, llm, question(number)) for number in range(3)]
        while not server.requests:
            assert not any(one.done() for one in waiting)
        llm.close()
        assert all(isinstance(one.exception(timeout=10), EndpointError) for one in waiting)


def test_endpoint_is_asked_with_the_options_of_the_settings(server: LLMServer, config: Config) -> None:
    cfg: AutoInterpConfig = config(request_options={"temperature": 0, "reasoning_effort": "low"})
    with closing(metered(cfg)) as llm:
        ask(llm, question())
    assert (server.requests[0].payload["temperature"], server.requests[0].payload["reasoning_effort"]) == (0, "low")
