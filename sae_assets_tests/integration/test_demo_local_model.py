"""The demo's language model explains features of the demo, behind two real servers.

A model of 135 M parameters explains badly; what counts is that the protocol works, and that nothing is lost or counted
twice. `transformers serve` passes over the wish for structure, so that hardly an answer can be read; the other server
keeps to it, so that explaining goes on to scoring.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sae_assets import AutoInterpSettings, auto_interp
from sae_assets.demo.settings import NAME, SERIES, model_folder
from sae_assets.engine.progress import silent
from sae_assets.runners.interpretation_report import InterpretationReport
from sae_assets.store.explanations import explanation_history
from sae_assets.store.failures import failures_of
from sae_assets_tests.project import TinyProject

pytestmark = pytest.mark.slow

SAE_ID = f"{SERIES}/{NAME}"
FEATURES = [3161, 3450]
STARTS_WITHIN_S = 120
TRANSFORMERS = Path(sys.executable).with_name("transformers")


def test_answers_of_transformers_serve_are_read_or_listed_and_counted(demo):
    folder = str(demo.root / model_folder())
    with server(demo, TRANSFORMERS, "serve", folder, "--device", "cpu", "--port") as url:
        report = interpret(demo, url, folder, max_tokens=40)
    with demo.store() as store:
        failures = failures_of(store, SAE_ID, "default", FEATURES)
        explained = [index for index in FEATURES if explanation_history(store, SAE_ID, "default", index)]
    assert sorted([*explained, *(failure.index for failure in failures)]) == FEATURES
    assert (report.n_explained, len(report.failures)) == (len(explained), len(failures))
    assert all(failure.kind == "answer" and failure.reason.endswith(".") for failure in failures)
    assert report.spent.requests >= len(FEATURES)
    assert report.spent.prompt_tokens > 300 * report.spent.requests
    assert 0 < report.spent.completion_tokens <= 40 * report.spent.requests


def test_a_server_that_keeps_to_the_schema_gives_explanations_with_scores(demo):
    module = "sae_assets_tests.integration.structured_server"
    with server(demo, sys.executable, "-m", module, str(demo.root / model_folder())) as url:
        report = interpret(demo, url, "smollm2", max_tokens=120)
    assert (report.n_explained, report.failures) == (len(FEATURES), ())
    with demo.store() as store:
        versions = [explanation_history(store, SAE_ID, "default", index)[0] for index in FEATURES]
    for version in versions:
        assert version.text and version.model == "smollm2" and version.consistency in range(1, 6)
        (score,) = version.scores
        assert score["scorer"] == "detection" and score["n"] + score["n_unparsable"] > 0
        assert sum(score["counts"].values()) == score["n"] == sum(said is not None for *_, said in score["verdicts"])
    for field in ("requests", "prompt_tokens", "completion_tokens"):
        assert sum(version.usage[field] for version in versions) == getattr(report.spent, field) > 0
    again = interpret(demo, "http://127.0.0.1:9/v1", "smollm2", max_tokens=120)
    assert (again.n_explained, again.spent.requests, again.saved.requests) == (2, 0, report.spent.requests)


def interpret(demo: TinyProject, url: str, model: str, *, max_tokens: int) -> InterpretationReport:
    """Explains the features by detection alone, with prompts and answers as short as can be."""
    auto_interp_settings = {
        "openai_base_url": url,
        "openai_model": model,
        "request_options": {"max_tokens": max_tokens},
        "scorer_type": ["detection"],
        "include_cot": False,
        "n_activating_examples": 4,
        "max_length": 16,
        "overwrite_existing": True,
    }
    settings = {"sae_series": SERIES, "sae_name": NAME, "features": FEATURES, "max_workers": 2}
    every = AutoInterpSettings.model_validate(settings | {"auto_interp": auto_interp_settings})
    return auto_interp(every, data=demo.data, progress=silent)


@contextmanager
def server(demo: TinyProject, *command: str | Path) -> Iterator[str]:
    """The base URL of a server that the command starts, to which the port is given as its last word."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = demo.root / "model-server.log"
    environment = demo.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with log.open("w") as output:
        process = subprocess.Popen(
            [*map(str, command), str(port)], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
