"""`kill -9` at every point of a batch's life: the next run goes on, and no prompt is sent twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from sae_assets.interpretation.records import FeatureExplanation
from sae_assets_tests.interpretation.batch.conftest import Explain
from sae_assets_tests.interpretation.batch.run import started
from sae_assets_tests.interpretation.batch_server import BatchServer

N_FEATURES = 6


@pytest.mark.parametrize("moment", ["upload", "uploaded", "create", "created", "look", "download"])
def test_next_run_goes_on_and_sends_no_prompt_twice(
    server: BatchServer, run: Explain, tmp_path: Path, moment: str
) -> None:
    server.hold_at = moment
    with started(server.base_url, tmp_path, N_FEATURES) as process:
        assert server.held.wait(60), process.communicate(timeout=10)
        process.kill()
    server.released.set()
    assert len(server.batches) == (moment in ("created", "look", "download"))
    outcomes = run(N_FEATURES)
    assert [outcome.index for outcome in outcomes if isinstance(outcome, FeatureExplanation)] == list(range(N_FEATURES))
    assert len(server.prompts) == len(set(server.prompts)) == 5 * N_FEATURES
    assert {batch.status for batch in server.batches.values()} == {"completed"}
