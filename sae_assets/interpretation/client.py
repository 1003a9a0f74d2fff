"""Asking a language model behind any OpenAI-compatible endpoint, over HTTP."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import httpx2
import openai

from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import Answer, Question, Reply, read_reply
from sae_assets.interpretation.completions import STRUCTURES, checked_options, reply_of, request_body
from sae_assets.interpretation.estimates import TokenEstimates
from sae_assets.interpretation.failures import Endpoint, EndpointError, checked_url, describe, not_chat_completions
from sae_assets.interpretation.pacing import Pacer
from sae_assets.interpretation.posting import Posting
from sae_assets.interpretation.retries import retrying
from sae_assets.settings import AutoInterpConfig, UserError

OPENAI_URL = "https://api.openai.com/v1"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
REFUSALS = (400, 422)
"""Statuses for a request that is understood and not liked."""

HOW_TO_CONFIGURE = (
    "No endpoint is configured: set OPENAI_API_KEY, or OPENAI_BASE_URL for another OpenAI-compatible endpoint, "
    "or auto_interp.openai_base_url in the settings"
)
"""What to tell a user who has no endpoint."""


def is_configured(cfg: AutoInterpConfig) -> bool:
    """Whether there is an endpoint to ask: a key or a base URL is set, in the settings or the environment."""
    return cfg.openai_api_key is not None or cfg.openai_base_url is not None


class LLMClient:
    """A client of one model at one endpoint, to be used from any number of threads.

    Every request asks for structured output; an endpoint that refuses a JSON schema is asked for a JSON object, and one
    that refuses this too for plain text. Passing failures are retried; `Retry-After` holds all threads back.
    """

    def __init__(self, cfg: AutoInterpConfig, *, first_wait: float = 1.0) -> None:
        """Connects to nothing yet.

        Args:
            first_wait: upper bound in seconds of the first wait before a request is sent again.

        Raises:
            UserError: no endpoint is configured, or its address, key, proxy or `request_options` cannot be used.
        """
        if not is_configured(cfg):
            raise UserError(f"{HOW_TO_CONFIGURE}.")
        key = cfg.openai_api_key.get_secret_value().strip() if cfg.openai_api_key else None
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UserError("The API key of auto_interp has characters that no key has; set OPENAI_API_KEY again.")
        url = checked_url(
            cfg.openai_base_url or OPENAI_URL,
            "openai_base_url (or OPENAI_BASE_URL)",
            ("http", "https"),
            "http://host:port/v1",
        )
        proxy = cfg.openai_proxy and checked_url(cfg.openai_proxy, "openai_proxy", PROXY_SCHEMES, "http://host:port")
        checked_options(cfg)
        self._cfg = cfg
        self.endpoint = Endpoint(url, cfg.openai_model, key, proxy or None)
        """Where requests go."""
        timeout = openai.Timeout(cfg.request_timeout, connect=min(cfg.request_timeout, 10.0))
        connect = partial(_connections, proxy or None, timeout, httpx2.create_ssl_context())
        self.openai = openai.OpenAI(
            # Endpoints without keys ignore this one; without any, the library would refuse to start.
            api_key=key or "none",
            base_url=self.endpoint.url,
            timeout=timeout,
            max_retries=0,
            http_client=connect(),
        )
        """The library's client."""
        self._post = Posting(self.openai, connect, "chat/completions")
        self._closing = threading.Event()
        self._pacer = Pacer(cfg.requests_per_minute, cfg.tokens_per_minute, self._closing.wait)
        self._estimates = TokenEstimates()
        self._retrying = retrying(first_wait, self._closing, lambda: self.has_answered, self._pacer.keep_quiet)
        self._n_refused_structures = 0
        self.has_answered = False
        """Whether the endpoint ever gave an answer to this client."""

    def __repr__(self) -> str:
        return f"LLMClient({self.endpoint.model!r} at {self.endpoint.place})"

    def __enter__(self) -> LLMClient:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def structure(self) -> str:
        """The strictest of `STRUCTURES` that the endpoint has not refused so far."""
        return STRUCTURES[self._n_refused_structures]

    def close(self) -> None:
        """Ends waits for a next attempt; nothing more is sent, and what is under way is answered: it is paid for."""
        self._closing.set()
        self._post.close()
        self.openai.close()

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        """The model's answers, one request after the other; raises what `send` raises."""
        return [read_reply(self.send(question), question.form) for question in questions]

    def remembered(self, _question: Question[Any], /) -> Reply | None:
        """Nothing: only a cache remembers."""
        return None

    def send(self, question: Question[Any]) -> Reply:
        """What the model says to a question.

        Raises:
            EndpointUnusableError: no request can succeed (nothing listens, wrong key or model, no quota left).
            EndpointError: this request failed, also when sent again.
        """
        reply = reply_of(self._completion(question), self.endpoint.model, self.endpoint.redacted)
        if reply is None:
            raise not_chat_completions(self.endpoint)
        self.has_answered = True
        self._estimates.learn(question, reply.usage)
        return reply

    def _completion(self, question: Question[Any]) -> object:
        refusal: openai.APIStatusError | None = None
        for n_refused in range(self._n_refused_structures, len(STRUCTURES)):
            try:
                completion = self._retrying(self._send, question, STRUCTURES[n_refused])
            except openai.OpenAIError as error:
                if not isinstance(error, openai.APIStatusError) or error.status_code not in REFUSALS:
                    raise describe(error, self.endpoint) from None
                # The status does not say whether the form was refused or the prompt; a looser form tells.
                refusal = refusal or error
            except ValueError as error:
                raise EndpointError(
                    f"The endpoint {self.endpoint.place} answered with something that is not JSON "
                    f"({self.endpoint.redacted(str(error))})."
                ) from None
            else:
                self._n_refused_structures = max(self._n_refused_structures, n_refused)
                return completion
        assert refusal is not None
        raise describe(refusal, self.endpoint) from None

    def _send(self, question: Question[Any], structure: str) -> object:
        self._pacer.wait(self._estimates.of(question).total)
        if self._closing.is_set():
            raise EndpointError("The work was ended before the endpoint answered.")
        return self._post(request_body(self._cfg, question, structure))


def _connections(proxy: str | None, timeout: openai.Timeout, tls: ssl.SSLContext) -> httpx2.Client:
    try:
        return openai.DefaultHttpx2Client(proxy=proxy, timeout=timeout, verify=tls)
    except (ValueError, ImportError):
        raise UserError(
            "The proxy of auto_interp.openai_proxy cannot be used; give one like http://host:port."
        ) from None
