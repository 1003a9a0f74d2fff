"""The server with the Batch API, and runs against it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.interpret import Outcome
from sae_assets.settings import AutoInterpConfig
from sae_assets_tests.interpretation.batch.run import explain
from sae_assets_tests.interpretation.batch_server import BatchServer

Explain = Callable[..., list[Outcome]]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    server = BatchServer()
    with server:
        yield server


@pytest.fixture
def run(server: BatchServer, tmp_path: Path) -> Explain:
    """Explains the first `n` features, with the settings given; `options` are further arguments of `explain`."""

    def run(
        n: int, *, ledger: Ledger | None = None, options: Mapping[str, Any] | None = None, **settings: Any
    ) -> list[Outcome]:
        cfg = AutoInterpConfig(openai_base_url=server.base_url, mode="batch", **settings)
        return explain(cfg, tmp_path, range(n), ledger, **(options or {}))

    return run
