"""The client against a real server: retries, forms of answers, and errors in sentences."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from sae_assets.interpretation.asking import ask
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.failures import EndpointError, EndpointUnusableError
from sae_assets.interpretation.records import Usage
from sae_assets.settings import UserError
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.llm_server import (
    Fault,
    LLMServer,
    body,
    content,
    cut_connection,
    hang,
    refusal,
    status,
)
from sae_assets_tests.interpretation.right_answer import KEY, QUESTION, RIGHT, client


def test_answer_comes_in_its_form_with_model_and_usage(server: LLMServer, config: Config) -> None:
    with client(config(openai_model="m", openai_api_key=KEY)) as llm:
        answer = ask(llm, QUESTION)
    assert answer.value == RIGHT
    assert (answer.model, answer.usage) == ("judge-2024", Usage(1, 100, 10))
    request = server.requests[0]
    assert request.payload["model"] == "m"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    schema = request.payload["response_format"]["json_schema"]
    assert schema["strict"] is True and schema["schema"]["required"] == ["verdicts"]


@pytest.mark.parametrize(
    ("refused", "forms"),
    [
        ({"json_schema"}, ["json_schema", "json_object", "json_object"]),
        ({"json_schema", "json_object"}, ["json_schema", "json_object", "text", "text"]),
    ],
)
def test_endpoint_without_schemas_is_asked_more_loosely_and_that_is_remembered(
    server: LLMServer, config: Config, refused: set[str], forms: list[str]
) -> None:
    server.refused_forms = refused
    with client(config()) as llm:
        assert [ask(llm, QUESTION).value for _ in range(2)] == [RIGHT, RIGHT]
    assert [request.form for request in server.requests] == forms


def test_prompt_that_is_refused_in_every_form_does_not_loosen_the_form(server: LLMServer, config: Config) -> None:
    server.faults = [status(400, "context too long")] * 3
    with client(config()) as llm:
        with pytest.raises(EndpointError, match="status 400: context too long"):
            ask(llm, QUESTION)
        assert ask(llm, QUESTION).value == RIGHT
    assert server.requests[-1].form == "json_schema"


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), status(408), cut_connection, hang(1.0)])
def test_passing_failure_is_asked_again(server: LLMServer, config: Config, fault: Fault) -> None:
    with client(config(), timeout=0.5) as llm:
        ask(llm, QUESTION)
        server.faults = [fault, fault]
        assert ask(llm, QUESTION).value == RIGHT
    assert len(server.requests) == 4


def test_retry_after_is_honoured_in_seconds_and_as_a_date(server: LLMServer, config: Config) -> None:
    with client(config()) as llm:
        server.faults = [status(429, retry_after=0.4)]
        ask(llm, QUESTION)
        server.faults = [status(503, retry_after=formatdate(time.time() + 2, usegmt=True))]
        ask(llm, QUESTION)
    times = [request.time for request in server.requests]
    assert times[1] - times[0] >= 0.4
    assert times[3] - times[2] >= 0.9


def test_wait_that_the_server_asks_of_one_thread_holds_back_the_others(server: LLMServer, config: Config) -> None:
    server.latency = 0.05
    with client(config()) as llm, ThreadPoolExecutor(4) as pool:
        ask(llm, QUESTION)
        server.faults = [status(429, retry_after=0.5)]
        refused = pool.submit(ask, llm, QUESTION)
        while server.faults:
            time.sleep(0.001)
        time.sleep(0.3)
        others = [pool.submit(ask, llm, QUESTION) for _ in range(3)]
        assert all(one.result(timeout=10).value == RIGHT for one in (refused, *others))
    times = [request.time for request in server.requests]
    assert all(later - times[1] >= 0.5 for later in times[2:])
    assert len(times) == 6


def test_requests_are_spread_over_the_minute_also_those_sent_again(server: LLMServer, config: Config) -> None:
    server.faults = [status(500)] * 3
    with client(config(requests_per_minute=600)) as llm, ThreadPoolExecutor(4) as pool:
        assert all(answer.value == RIGHT for answer in pool.map(lambda _: ask(llm, QUESTION), range(4)))
    times = [request.time for request in server.requests]
    assert len(times) == 7
    assert times[-1] - times[0] >= 0.5


def test_options_that_every_request_has_of_its_own_are_refused_at_once(config: Config) -> None:
    with pytest.raises(UserError, match="request_options cannot have the field 'stream'"):
        LLMClient(config(request_options={"stream": True}))


def test_server_that_asks_for_hours_is_not_waited_for(server: LLMServer, config: Config) -> None:
    server.faults = [status(429, "come back tomorrow", retry_after=7200)]
    with client(config()) as llm, pytest.raises(EndpointError, match="status 429: come back tomorrow"):
        ask(llm, QUESTION)
    assert len(server.requests) == 1


def test_attempts_come_to_an_end(server: LLMServer, config: Config) -> None:
    server.fault_for = lambda _request: status(500, "boom")
    with client(config()) as llm, pytest.raises(EndpointError, match="answered with status 500: boom"):
        ask(llm, QUESTION)
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (content("I think yes, no"), "the answer does not have the form asked for"),
        (content('{"verdicts": [tr', "length"), "the answer was cut at the model's length limit"),
        (content(""), "the answer is empty"),
        (content(None), "the answer is empty"),
        (content(None, "content_filter"), "the endpoint's content filter held the answer back"),
        (refusal(), "the model refused to answer"),
        (body('{"choices": []}'), "the answer is empty"),
    ],
)
def test_unreadable_answer_is_told_apart_and_counted(
    server: LLMServer, config: Config, fault: Fault, problem: str
) -> None:
    server.faults = [fault]
    with client(config()) as llm:
        answer = ask(llm, QUESTION)
    assert (answer.value, answer.problem, answer.usage.requests) == (None, problem, 1)
    assert len(server.requests) == 1


def test_error_with_status_200_in_place_of_an_answer_is_an_error(server: LLMServer, config: Config) -> None:
    server.faults = [
        body('{"error": {"code": 502, "message": "upstream failed"}}'),
        body('{"error": {"message": "upstream failed"}, "choices": []}'),
    ]
    with client(config()) as llm:
        with pytest.raises(EndpointError, match="answered with status 200: upstream failed"):
            ask(llm, QUESTION)
        assert len(server.requests) == 2
        server.faults = [body('{"error": {"code": 402, "message": "add credit"}}')]
        with pytest.raises(EndpointUnusableError, match="quota"):
            ask(llm, QUESTION)
        assert ask(llm, QUESTION).value == RIGHT


def test_half_a_character_is_replaced_wherever_an_endpoint_says_it(server: LLMServer, config: Config) -> None:
    server.faults = [content("cut in an emoji: \ud83d"), status(400, "\ud83d is wrong")] + [status(400, "no")] * 2
    with client(config()) as llm:
        assert ask(llm, QUESTION).text == "cut in an emoji: \ufffd"
        with pytest.raises(EndpointError, match="status 400: \ufffd is wrong"):
            ask(llm, QUESTION)


def test_fenced_answer_without_usage_is_read(server: LLMServer, config: Config) -> None:
    text = r"```json\n{\"verdicts\": [true, false]}\n```"
    server.faults = [body(f'{{"id": "1", "choices": [{{"message": {{"role": "assistant", "content": "{text}"}}}}]}}')]
    with client(config(openai_model="m")) as llm:
        answer = ask(llm, QUESTION)
    assert (answer.value, answer.usage, answer.model) == (RIGHT, Usage(1, 0, 0), "m")


def test_body_that_is_not_json_fails_the_request(server: LLMServer, config: Config) -> None:
    server.faults = [body('{"choices": [')]
    with client(config()) as llm, pytest.raises(EndpointError, match="something that is not JSON"):
        ask(llm, QUESTION)


def test_closing_ends_a_long_wait(server: LLMServer, config: Config) -> None:
    server.faults = [status(429, retry_after=100)]
    llm = client(config())
    began = time.monotonic()
    threading.Timer(0.3, llm.close).start()
    with pytest.raises(EndpointError):
        ask(llm, QUESTION)
    assert time.monotonic() - began < 5


def test_closing_leaves_requests_under_way_their_answers_and_sends_no_more(server: LLMServer, config: Config) -> None:
    server.latency = 0.5
    llm = client(config())
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, llm, QUESTION) for _ in range(2)]
        while len(server.requests) < 2:
            time.sleep(0.001)
        llm.close()
        assert [answer.result(timeout=10).value for answer in answers] == [RIGHT, RIGHT]
    assert llm.openai.is_closed()
    with pytest.raises(EndpointError, match="The work was ended"):
        ask(llm, QUESTION)
    assert len(server.requests) == 2
