"""`sae-assets serve` and `sae-assets dev` as a person starts and ends them."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from sae_assets.assets.documents import features_url
from sae_assets.web.security import Access
from sae_assets_tests.processes import SAE_ASSETS, run_command
from sae_assets_tests.project import SAE_ID, TinyProject
from sae_assets_tests.test_imports import loaded_after
from sae_assets_tests.web.conftest import Web

STARTS_WITHIN_S, ENDS_WITHIN_S = 150, 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def started(project: TinyProject, log: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of `sae-assets` that goes on until it is ended; what it says is in `log`."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(SAE_ASSETS), *words],
            cwd=project.root,
            env=project.environment() | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # a killed `dev` would leave what it has started
        try:
            process.wait(ENDS_WITHIN_S)
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> httpx.Response:
    """The first answer."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            return httpx.get(url, timeout=STARTS_WITHIN_S)
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_the_web_process_loads_nothing_heavy():
    code = "import sae_assets.web.server, sae_assets.web.meaning"
    assert loaded_after(code) & {"torch", "dagster", "openai", "transformer_lens", "transformers", "datasets"} == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_at_once(web: Web, tmp_path: Path, number: signal.Signals):
    port, log = free_port(), tmp_path / "log"
    with started(web.project, log, "serve", "--port", str(port)) as process:
        answer = wait_for(process, f"http://127.0.0.1:{port}/api/v1/saes", log)
        assert "sae-l0" in {item["name"] for item in answer.json()["items"]}
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(ENDS_WITHIN_S) == 0
        assert time.monotonic() - began < 5
    assert log.read_text() == f"sae-assets is at http://127.0.0.1:{port} (Ctrl-C ends it).\n"


def test_a_taken_port_is_one_sentence(web: Web):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = run_command(web.project, "serve", "--port", str(port))
    assert run.returncode == 2
    assert run.stderr == f"sae-assets: Port {port} is taken; end what uses it, or give another one by --port.\n"


def test_an_address_that_is_none_is_one_sentence(web: Web):
    run = run_command(web.project, "serve", "--host", "no.such.host.invalid")
    assert run.returncode == 2 and "cannot be found" in run.stderr and run.stderr.count("\n") == 1


@pytest.mark.parametrize("token", ["", "secret-token"])
def test_a_server_that_others_reach_asks_for_a_token_or_says_loudly_that_it_does_not(
    web: Web, tmp_path: Path, token: str
):
    port, log = free_port(), tmp_path / "log"
    words = ("serve", "--host", "0.0.0.0", "--port", str(port))
    with started(web.project, log, *words, SAE_ASSETS_TOKEN=token) as process:
        answer = wait_for(process, f"http://127.0.0.1:{port}/api/v1/saes?token={token}x", log)
        assert answer.status_code == (401 if token else 200)
    said = log.read_text()
    assert ("OPEN TO EVERYBODY" in said) == (not token)
    assert "secret-token" not in said


def test_an_access_without_a_token_knows_none():
    assert not Access.of("127.0.0.1", token="").is_known("")


@pytest.mark.slow
def test_dagster_and_the_web_ui_start_together_and_end_together(web: Web, tmp_path: Path):
    port, dagster_port, log = free_port(), free_port(), tmp_path / "log"
    home = tmp_path / "dagster"
    home.mkdir()
    words = ("dev", "--port", str(port), "--dagster-port", str(dagster_port))
    with started(web.project, log, *words, DAGSTER_HOME=str(home)) as process:
        item = wait_for(process, f"http://127.0.0.1:{port}/api/v1/saes", log).json()["items"][0]
        assert item["dagster_url"].startswith(f"http://127.0.0.1:{dagster_port}/assets/")
        assert wait_for(process, f"http://127.0.0.1:{dagster_port}/server_info", log).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(ENDS_WITHIN_S) == 0
    for ended in (port, dagster_port):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{ended}/")


@pytest.mark.slow
def test_where_one_of_them_cannot_start_the_other_ends_too(web: Web, tmp_path: Path):
    log = tmp_path / "log"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(web.project, log, "dev", "--port", str(port), "--dagster-port", str(free_port())) as process:
            assert process.wait(STARTS_WITHIN_S) == 1
    assert f"Port {port} is taken" in log.read_text()


def test_the_page_of_a_checkpoint_links_to_its_partition_in_dagster(web: Web):
    page = web.client.get(f"/saes/{SAE_ID}/default").text
    assert "/assets/feature_documents?view=partitions&amp;partition=tiny%2Fsae-l0" in page


def test_what_dagster_materializes_links_to_the_list_of_features(web: Web, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SAE_ASSETS_WEB_URL", str(web.client.base_url))
    assert httpx.get(features_url(f"{SAE_ID}/default")).status_code == 200
    assert features_url("s/a b%/default").endswith("/saes/s/a%20b%25/default/features")
