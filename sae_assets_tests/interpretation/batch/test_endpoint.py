"""The calls of the Batch API through a network that fails."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from pydantic import SecretStr

from sae_assets.interpretation.batch.endpoint import MOST_LOST_LOOKS, BatchEndpoint
from sae_assets.interpretation.client import LLMClient
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.batch_server import BatchServer
from sae_assets_tests.interpretation.llm_server import body, cut_connection, status

KEY = "sk-secret"


@pytest.fixture
def endpoint(server: BatchServer) -> Iterator[BatchEndpoint]:
    with LLMClient(AutoInterpConfig(openai_base_url=server.base_url, openai_api_key=SecretStr(KEY))) as client:
        yield BatchEndpoint(client.openai, client.endpoint, first_wait=0.01)


def test_file_arrives_as_it_is_also_when_it_is_sent_again(server: BatchServer, endpoint: BatchEndpoint) -> None:
    server.call_faults = [status(503), cut_connection]
    content = b'{"a": "\xe2\x80\xa8"}\r\n\n{}\n' * 1000
    assert server.files == {endpoint.upload(BytesIO(content)): content}


def test_batch_whose_answer_was_lost_is_not_begun_twice(server: BatchServer, endpoint: BatchEndpoint) -> None:
    file = endpoint.upload(BytesIO(b"{}\n"))
    server.hold_at = "created"
    server.released.set()
    batch = endpoint.begin(file)
    assert list(server.batches) == [batch]


def test_batch_that_was_not_begun_for_lack_of_room_is_begun_later(server: BatchServer, endpoint: BatchEndpoint) -> None:
    file = endpoint.upload(BytesIO(b"{}\n"))
    server.call_faults = [status(429, retry_after=0.01)]
    batch = endpoint.begin(file)
    assert list(server.batches) == [batch]


def test_batch_is_found_by_its_file_on_any_page(server: BatchServer, endpoint: BatchEndpoint) -> None:
    files = [endpoint.upload(BytesIO(b"{}\n")) for _ in range(5)]
    batches = [endpoint.begin(file) for file in files]
    server.page = 2
    assert [endpoint.find(file) for file in files] == batches
    assert endpoint.find("file-of-somebody") is None


def test_results_are_complete_although_the_download_was_cut(server: BatchServer, endpoint: BatchEndpoint) -> None:
    server.files["file-x"] = b'{"custom_id": "a", "error": {"code": "c", "message": "m"}}\n' * 5
    server.hold_at = "download"
    server.released.set()
    assert [result.key for result in endpoint.read("file-x")] == ["a"] * 5


def test_file_that_is_gone_has_no_results(endpoint: BatchEndpoint) -> None:
    assert list(endpoint.read("file-long-ago")) == []


def test_endpoint_may_be_away_for_a_while(server: BatchServer, endpoint: BatchEndpoint) -> None:
    batch = endpoint.begin(endpoint.upload(BytesIO(b"")))
    server.call_faults = [status(500), cut_connection, None]
    assert endpoint.look(batch) is None
    assert endpoint.look(batch) is None
    seen = endpoint.look(batch)
    assert seen is not None and seen.status == "completed"


def test_endpoint_that_stays_away_ends_the_wait(server: BatchServer, endpoint: BatchEndpoint) -> None:
    server.call_faults = [status(500, "down")] * (MOST_LOST_LOOKS + 1)
    for _ in range(MOST_LOST_LOOKS):
        assert endpoint.look("batch_1") is None
    with pytest.raises(UserError, match="status 500: down"):
        endpoint.look("batch_1")


def test_batch_of_another_key_is_not_asked_and_paid_again_silently(endpoint: BatchEndpoint) -> None:
    with pytest.raises(UserError, match="does not know the batch batch_7 that was begun earlier; set the key that"):
        endpoint.look("batch_7")


@pytest.mark.parametrize(
    "fault", [status(404), status(405), body("<html></html>", kind="text/html"), body("<html></html>")]
)
def test_what_has_no_batch_api_is_told_so(server: BatchServer, endpoint: BatchEndpoint, fault: object) -> None:
    for call in (endpoint.check, lambda: endpoint.upload(BytesIO(b"")), lambda: endpoint.find("file-1")):
        server.call_faults = [fault]
        with pytest.raises(UserError, match=r'has no Batch API \(.*\); set auto_interp.mode = "direct"\.$'):
            call()


def test_refusal_is_one_sentence_without_the_key(server: BatchServer, endpoint: BatchEndpoint) -> None:
    server.call_faults = [status(400, f"Billing limit of {KEY} reached")]
    with pytest.raises(UserError, match=r"status 400: Billing limit of .* reached\.$") as caught:
        endpoint.begin("file-1")
    assert KEY not in str(caught.value)
