"""Where requests go: addresses, proxies and keys, what is said where they are wrong, and no key anywhere."""

from __future__ import annotations

import logging
import time

import pytest
from pydantic import SecretStr

from sae_assets.interpretation.asking import ask
from sae_assets.interpretation.client import LLMClient, is_configured
from sae_assets.interpretation.failures import EndpointError, EndpointUnusableError
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.conftest import Config
from sae_assets_tests.interpretation.llm_server import (
    Fault,
    LLMServer,
    body,
    content,
    status,
)
from sae_assets_tests.interpretation.right_answer import KEY, QUESTION, RIGHT, client, free_port


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (
            body("<html>hello</html>", "text/html"),
            "does not speak the chat-completions protocol; check openai_base_url",
        ),
        (
            status(404, "no model x"),
            "does not know the model 'gpt-3.5-turbo' or .*: no model x; check",
        ),
        (status(401), r"wants an API key \(status 401\), and none is set; set OPENAI_API_KEY\."),
        (status(402, "pay"), r"is used up \(status 402\): pay; add credit"),
        (status(429, "quota", error_code="insufficient_quota"), r"The quota at http\S+ is used up"),
    ],
)
def test_unusable_endpoint_is_one_sentence_that_says_what_to_do(
    server: LLMServer, config: Config, fault: Fault, sentence: str
) -> None:
    server.faults = [fault]
    with client(config()) as llm, pytest.raises(EndpointUnusableError, match=sentence) as error:
        ask(llm, QUESTION)
    assert server.base_url in str(error.value)
    assert "\n" not in str(error.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [401, 403])
def test_key_that_is_refused_is_said_so(server: LLMServer, config: Config, code: int) -> None:
    server.faults = [status(code, "no")]
    sentence = rf"refused the API key \(status {code}\); set OPENAI_API_KEY to a key that may use"
    with client(config(openai_api_key=KEY)) as llm, pytest.raises(EndpointUnusableError, match=sentence):
        ask(llm, QUESTION)


def test_nothing_listening_is_said_at_once_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    began = time.monotonic()
    with client(AutoInterpConfig(openai_base_url=url)) as llm, pytest.raises(EndpointUnusableError) as error:
        ask(llm, QUESTION)
    assert f"The endpoint {url} cannot be reached" in str(error.value)
    assert "Connection refused" in str(error.value)
    assert time.monotonic() - began < 3


def test_proxy_of_the_environment_is_named_where_nothing_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    with (
        client(AutoInterpConfig(openai_base_url="http://host.invalid/v1")) as llm,
        pytest.raises(EndpointUnusableError, match=r"openai_proxy \(or HTTP_PROXY, HTTPS_PROXY\) and that it runs"),
    ):
        ask(llm, QUESTION)


@pytest.mark.parametrize("url", ["localhost:1/v1", "me:hunter2@host/v1", "http://", "http://[me:hunter2", "ftp://host"])
def test_address_that_is_none_is_refused_at_once_without_its_password(config: Config, url: str) -> None:
    with pytest.raises(
        UserError,
        match=r"openai_base_url \(or OPENAI_BASE_URL\) is not an address; give one like http://host:port/v1\.",
    ) as error:
        LLMClient(AutoInterpConfig(openai_base_url=url))
    assert "hunter2" not in str(error.value)
    with pytest.raises(UserError, match="openai_proxy is not"):
        LLMClient(config(openai_proxy=url))


def test_address_and_proxy_are_named_without_their_passwords(config: Config) -> None:
    secret = f"http://me:hunter2@127.0.0.1:{free_port()}"
    for cfg in (
        AutoInterpConfig(openai_base_url=f"{secret}/v1"),
        AutoInterpConfig(openai_base_url="http://host/v1", openai_proxy=secret),
    ):
        with client(cfg) as llm, pytest.raises(EndpointUnusableError) as error:
            ask(llm, QUESTION)
        assert "cannot be reached" in str(error.value)
        assert "hunter2" not in str(error.value) + repr(llm)
    assert "http://host/v1 through the proxy http://127.0.0.1" in str(error.value)


def test_requests_go_through_the_proxy(server: LLMServer) -> None:
    # The server stands in for the proxy: it gets the request for an address that does not exist.
    cfg = AutoInterpConfig(
        openai_base_url="http://nowhere.invalid/v1", openai_proxy=server.base_url.removesuffix("/v1")
    )
    server.faults = [content('{"verdicts": [true, false]}')]
    with client(cfg) as llm:
        assert ask(llm, QUESTION).value == RIGHT
    assert server.requests[0].headers["host"] == "nowhere.invalid"


def test_requests_go_through_the_proxy_of_the_environment(server: LLMServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.base_url.removesuffix("/v1"))
    server.faults = [content('{"verdicts": [true, false]}')]
    with client(AutoInterpConfig(openai_base_url="http://nowhere.invalid/v1")) as llm:
        assert ask(llm, QUESTION).value == RIGHT
    assert server.requests[0].headers["host"] == "nowhere.invalid"


def test_request_has_the_headers_of_the_library_but_none_that_describe_the_machine(
    server: LLMServer, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    with client(config(openai_api_key=KEY)) as llm:
        ask(llm, QUESTION)
    headers = server.requests[0].headers
    assert (headers["openai-organization"], headers["content-type"]) == ("org-1", "application/json")
    assert headers["user-agent"].startswith("OpenAI/Python")
    assert not [name for name in headers if name.startswith("x-stainless")]


def test_key_is_in_no_error_repr_or_log(
    server: LLMServer, config: Config, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.key = "another"
    texts = []
    with client(config(openai_api_key=SecretStr(KEY))) as llm:
        texts.append(repr(llm))
        for fault in (None, status(500, f"your key is {KEY}"), status(404, f"key {KEY}"), status(400, f"key {KEY}")):
            server.fault_for = lambda _request, fault=fault: fault
            with pytest.raises(EndpointError) as error:
                ask(llm, QUESTION)
            texts += [str(error.value), str(error.getrepr(style="short"))]
    texts += [caplog.text, *capfd.readouterr()]
    assert "refused the API key" in texts[1]
    assert all(KEY not in text for text in texts)


def test_endpoint_is_configured_by_a_key_or_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_configured(AutoInterpConfig())
    assert is_configured(AutoInterpConfig(openai_api_key=SecretStr(KEY)))
    assert is_configured(AutoInterpConfig(openai_base_url="http://x/v1"))
    with pytest.raises(UserError, match="set OPENAI_API_KEY"):
        LLMClient(AutoInterpConfig())
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert is_configured(AutoInterpConfig())


def test_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with pytest.raises(UserError, match="API key") as error:
        LLMClient(AutoInterpConfig(openai_api_key=SecretStr("sk-sécret\n2")))
    assert "cret" not in str(error.value).replace("SECRET", "")
