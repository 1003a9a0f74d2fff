"""Embeddings against a real server: vectors in order and of length 1, halved batches, and errors in sentences."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from sae_assets.interpretation.embeddings import BATCH, Embedder, EmbeddingError, RefusedError
from sae_assets.settings import UserError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer, meaning
from sae_assets_tests.interpretation.llm_server import Fault, body, cut_connection, hang, status
from sae_assets_tests.interpretation.right_answer import KEY, free_port

Make = Callable[..., Embedder]


@pytest.fixture
def embedder(embeddings: EmbeddingServer) -> Iterator[Make]:
    made: list[Embedder] = []

    def make(timeout: float = 5.0, first_wait: float = 0.01, **fields: Any) -> Embedder:
        cfg = EmbeddingConfig(**{"model": "m", "base_url": embeddings.base_url, **fields})
        made.append(Embedder(cfg, timeout=timeout, first_wait=first_wait))
        return made[-1]

    yield make
    for one in made:
        one.close()


def unit(*texts: str, n_dimensions: int = 8) -> np.ndarray:
    vectors = np.stack([meaning(text, n_dimensions) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_are_of_length_1_and_in_the_order_of_the_texts(embeddings: EmbeddingServer, embedder: Make) -> None:
    texts = ["a cat", "seven", "python loop"]
    np.testing.assert_allclose(embedder(api_key=KEY).embed(texts), unit(*texts), rtol=1e-5)
    request = embeddings.requests[0]
    assert request.payload == {"model": "m", "input": texts, "encoding_format": "float"}
    assert request.headers["authorization"] == f"Bearer {KEY}"


def test_many_texts_are_sent_in_batches(embeddings: EmbeddingServer, embedder: Make) -> None:
    texts = [f"cat {number}" for number in range(BATCH + 3)]
    assert embedder().embed(texts).shape == (BATCH + 3, 8)
    assert [len(sent) for sent in embeddings.sent] == [BATCH, 3]


def test_no_texts_have_no_vectors_and_ask_nothing(embeddings: EmbeddingServer, embedder: Make) -> None:
    assert embedder(dimensions=4).embed([]).shape == (0, 4)
    assert embeddings.requests == []


def test_endpoint_is_asked_for_the_dimensions_that_are_set(embedder: Make) -> None:
    np.testing.assert_allclose(embedder(dimensions=4).embed(["cat"]), unit("cat", n_dimensions=4), rtol=1e-5)


@pytest.mark.parametrize("most_texts", [1, 3, 5])
def test_batch_that_is_too_large_for_the_endpoint_is_halved(
    embeddings: EmbeddingServer, embedder: Make, most_texts: int
) -> None:
    embeddings.most_texts = most_texts
    texts = ["cat", "dog seven", "seven", "loop cat", "code", "python seven", "cat cat seven"]
    np.testing.assert_allclose(embedder().embed(texts), unit(*texts), rtol=1e-5)


def test_text_that_is_refused_has_zeros_and_keeps_no_other_back(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.refused = {"endless"}
    vectors = embedder().embed(["cat", "endless", "seven"])
    np.testing.assert_allclose(vectors[[0, 2]], unit("cat", "seven"), rtol=1e-5)
    assert not vectors[1].any()


def test_nothing_but_refused_texts_is_an_error(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.refused = {"endless", "too"}
    with pytest.raises(RefusedError, match="status 400: text too long"):
        embedder().embed(["endless", "too"])


@pytest.mark.parametrize("fault", [status(500), status(503), status(429), cut_connection, hang(1.0)])
def test_passing_failure_is_asked_again(embeddings: EmbeddingServer, embedder: Make, fault: Fault) -> None:
    asking = embedder(timeout=0.5)
    asking.embed(["cat"])
    embeddings.faults = [fault, fault]
    np.testing.assert_allclose(asking.embed(["seven"]), unit("seven"), rtol=1e-5)
    assert len(embeddings.requests) == 4


def test_retry_after_is_honoured(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.faults = [status(429, retry_after=0.4)]
    embedder().embed(["cat"])
    assert embeddings.requests[1].time - embeddings.requests[0].time >= 0.4


def test_person_who_waits_is_told_of_a_long_wait_instead(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.faults = [status(429, "slow down", retry_after=20)]
    began = time.monotonic()
    with pytest.raises(EmbeddingError, match="answered with status 429: slow down"):
        embedder().embed(["cat"], is_urgent=True)
    assert time.monotonic() - began < 5
    embeddings.faults = [status(429, retry_after=0.1)]
    assert embedder().embed(["cat"], is_urgent=True).any()


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (status(401), r"wants an API key \(status 401\), and none is set; set OPENAI_API_KEY\."),
        (status(404), r"does not know the embedding model 'm' .*; check SAE_ASSETS_EMBEDDING_MODEL"),
        (status(429, "quota", error_code="insufficient_quota"), "is used up .*: quota; add credit"),
        (status(429, "later", retry_after=7200), "answered with status 429: later"),
        (body("<html>", "text/html"), "does not speak the embeddings protocol; check SAE_ASSETS_EMBEDDING_BASE_URL"),
        (body('{"data": []}'), "does not speak the embeddings protocol"),
        (body('{"data": [{"index": 0, "embedding": "AAAA"}]}'), "does not speak the embeddings protocol"),
        (body('{"data": [{"index": 0, "embedding": [1, NaN]}]}'), "does not speak the embeddings protocol"),
        (body('[{"embedding": [1]}]'), "does not speak the embeddings protocol"),
    ],
)
def test_endpoint_that_cannot_be_used_is_one_sentence(
    embeddings: EmbeddingServer, embedder: Make, fault: Fault, sentence: str
) -> None:
    embeddings.faults = [fault]
    with pytest.raises(EmbeddingError, match=sentence) as error:
        embedder().embed(["cat"])
    assert "\n" not in str(error.value)
    assert len(embeddings.requests) == 1


def test_endpoint_that_is_down_is_one_sentence_with_its_address(embedder: Make) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    with pytest.raises(EmbeddingError, match=f"The endpoint {url} cannot be reached .*Connection refused"):
        embedder(base_url=url).embed(["cat"], is_urgent=True)


def test_wrong_number_of_dimensions_is_one_sentence(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.can_shorten = False
    with pytest.raises(EmbeddingError, match="'m' gave 8 dimensions, not 4; set SAE_ASSETS_EMBEDDING_DIMENSIONS"):
        embedder(dimensions=4).embed(["cat"])
    asking = embedder()
    asking.embed(["cat"])
    embeddings.n_dimensions = 9
    with pytest.raises(EmbeddingError, match="gave 9 dimensions, not 8"):
        asking.embed(["cat"])


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"model": None}, "set SAE_ASSETS_EMBEDDING_MODEL"),
        ({"base_url": None}, "'m' has no endpoint; set OPENAI_API_KEY"),
        ({"base_url": "localhost:1/v1"}, "is not an address"),
        ({"base_url": "http://me:hunter2@"}, "is not an address"),
        ({"api_key": SecretStr("sk-sécret\n2")}, "API key of the embeddings"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(
    embedder: Make, fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        embedder(**fields)
    assert "hunter2" not in str(error.value) and "cret" not in str(error.value)


def test_key_and_password_are_in_no_error_or_repr(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.fault_for = lambda _request: status(400, f"your key is {KEY}")
    asking = embedder(api_key=KEY)
    with pytest.raises(RefusedError) as error:
        asking.embed(["cat"])
    assert KEY not in str(error.value) + repr(asking)
    with pytest.raises(EmbeddingError) as error:
        embedder(base_url=f"http://me:hunter2@127.0.0.1:{free_port()}/v1").embed(["cat"])
    assert "hunter2" not in str(error.value)


def test_closing_ends_a_long_wait_and_all_later_work(embeddings: EmbeddingServer, embedder: Make) -> None:
    embeddings.faults = [status(429, retry_after=100)]
    asking = embedder()
    began = time.monotonic()
    threading.Timer(0.3, asking.close).start()
    with pytest.raises(EmbeddingError):
        asking.embed(["cat"])
    with pytest.raises(EmbeddingError, match="ended"):
        asking.embed(["cat"])
    assert time.monotonic() - began < 10


def test_id_is_that_of_model_dimensions_and_text(embedder: Make) -> None:
    here, other = embedder(), embedder(model="n")
    ids = {here.id_of("cat", 8), here.id_of("cat", 9), here.id_of("cat ", 8), other.id_of("cat", 8)}
    assert len(ids) == 4
    assert embedder(base_url="http://elsewhere").id_of("cat", 8) in ids


def test_nothing_heavy_is_loaded_before_the_first_text() -> None:
    code = (
        "import sys; from sae_assets.web.meaning import MeaningSearch; "
        "from sae_assets.interpretation.embeddings import Embedder; "
        "from sae_assets.settings.embedding import EmbeddingConfig; "
        "Embedder(EmbeddingConfig(model='m', base_url='http://host')); "
        "print(sys.modules.keys() & {'torch', 'openai', 'dagster', 'transformer_lens'})"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
