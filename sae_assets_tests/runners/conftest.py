"""A language model to ask: a real HTTP server whose answers are known."""

from collections.abc import Iterator

import pytest

from sae_assets_tests.interpretation.llm_server import LLMServer


@pytest.fixture
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server
