"""Settings that point at a test's own server and at nothing of the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.llm_server import LLMServer

Config = Callable[..., AutoInterpConfig]


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def config(server: LLMServer) -> Config:
    def make(**fields: Any) -> AutoInterpConfig:
        return AutoInterpConfig(openai_base_url=server.base_url, **fields)

    return make
