"""Questions that are gathered into batches of an allowed size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sae_assets.interpretation.batch.endpoint import BatchEndpoint
from sae_assets.interpretation.batch.outbox import MOST_BYTES, MOST_QUESTIONS, Outbox
from sae_assets.interpretation.batch.under_way import UnderWay
from sae_assets.interpretation.client import LLMClient
from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.batch_server import BatchServer

ANSWERED = "answered"


@pytest.fixture
def under_way(tmp_path: Path) -> Iterator[UnderWay]:
    with closing(UnderWay(tmp_path / "batches.sqlite", "here", "gpt")) as under_way:
        yield under_way


@pytest.fixture
def outbox(server: BatchServer, under_way: UnderWay) -> Iterator[Outbox]:
    with LLMClient(AutoInterpConfig(openai_base_url=server.base_url)) as client:
        endpoint = BatchEndpoint(client.openai, client.endpoint)
        with closing(Outbox(endpoint, under_way, lambda key: key == ANSWERED)) as outbox:
            yield outbox


def keys_of_files(server: BatchServer) -> list[list[str]]:
    return [[json.loads(line)["custom_id"] for line in file.splitlines()] for file in server.files.values()]


def test_limits_are_those_of_the_api(outbox: Outbox) -> None:
    assert (outbox.most_questions, outbox.most_bytes) == (MOST_QUESTIONS, MOST_BYTES) == (50_000, 200_000_000)


def test_line_is_the_request_as_the_api_has_it(server: BatchServer, outbox: Outbox) -> None:
    outbox.add("a", {"model": "gpt", "messages": []})
    outbox.send()
    (file,) = server.files.values()
    body = {"model": "gpt", "messages": []}
    assert json.loads(file) == {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}


def test_batch_is_sent_when_it_has_all_questions_that_are_allowed(server: BatchServer, outbox: Outbox) -> None:
    outbox.most_questions = 3
    for number in range(7):
        outbox.add(str(number), {})
    assert server.n_lines == [3, 3]
    outbox.send()
    assert keys_of_files(server) == [["0", "1", "2"], ["3", "4", "5"], ["6"]]


def test_no_file_is_longer_than_allowed(server: BatchServer, outbox: Outbox) -> None:
    outbox.most_bytes = 1000
    for number in range(20):
        outbox.add(str(number), {"text": "x" * 30 * (number % 5)})
    outbox.send()
    assert [key for keys in keys_of_files(server) for key in keys] == [str(number) for number in range(20)]
    sizes = [len(file) for file in server.files.values()]
    assert max(sizes) <= 1000
    assert len(sizes) < 8


def test_question_is_taken_once(server: BatchServer, outbox: Outbox) -> None:
    for key in ["a", "b", "a"]:
        outbox.add(key, {})
    outbox.send()
    outbox.send()
    assert keys_of_files(server) == [["a", "b"]]


def test_what_others_sent_or_got_answered_in_the_meantime_is_left_out(
    server: BatchServer, outbox: Outbox, under_way: UnderWay
) -> None:
    for key in ["a", "b", ANSWERED]:
        outbox.add(key, {})
    under_way.enter("file-of-another-run", ["b"])
    outbox.send()
    assert keys_of_files(server) == [["a"]]
    outbox.add("b", {})
    outbox.send()
    assert len(server.batches) == 1
