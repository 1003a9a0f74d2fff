"""Asking a language model behind any OpenAI-compatible endpoint, and reading its answer into a known form."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic

import openai
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from sae_assets.interpretation.answers import AnswerModel, read_answer
from sae_assets.interpretation.failures import Endpoint, EndpointError, checked_url, describe, not_chat_completions
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.retries import retrying
from sae_assets.interpretation.templates import Messages
from sae_assets.settings import AutoInterpConfig, UserError

OPENAI_URL = "https://api.openai.com/v1"
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")

HOW_TO_CONFIGURE = (
    "No endpoint is configured: set OPENAI_API_KEY, or OPENAI_BASE_URL for another OpenAI-compatible endpoint, "
    "or auto_interp.openai_base_url in the settings"
)
"""What to tell a user who has no endpoint."""


def is_configured(cfg: AutoInterpConfig) -> bool:
    """Whether there is an endpoint to ask: a key or a base URL is set, in the settings or the environment."""
    return cfg.openai_api_key is not None or cfg.openai_base_url is not None


@dataclass(frozen=True)
class Answer(Generic[AnswerModel]):
    """What came back for one prompt."""

    value: AnswerModel | None
    """The answer in its form; None where the text holds none, for the `problem` given."""
    text: str
    """What the model wrote, word for word."""
    problem: str | None
    """Why there is no value: a refusal, an empty or cut answer, no fitting JSON."""
    model: str
    """The model that answered, as the endpoint names it."""
    usage: Usage
    """This one request."""


FORMS = ("json_schema", "json_object", "text")
"""Ways of asking for structure, the strictest first."""


@cache
def response_format(form: str, answer: type[BaseModel]) -> dict[str, Any] | None:
    """What the protocol calls the way of asking; None leaves it out."""
    if form == "json_schema":
        schema = {"name": answer.__name__, "schema": answer.model_json_schema(), "strict": True}
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if form == "json_object" else None


class LLMClient:
    """A client of one model at one endpoint, to be used from any number of threads.

    Every request asks for structured output; an endpoint that refuses a JSON schema is asked for a JSON object, and one
    that refuses this too for plain text. Passing failures are retried, honouring Retry-After.
    """

    def __init__(self, cfg: AutoInterpConfig, *, timeout: float = 300.0, first_wait: float = 1.0) -> None:
        """Connects to nothing yet.

        Args:
            timeout: seconds to wait for an answer.
            first_wait: upper bound in seconds of the first wait before a request is sent again.

        Raises:
            UserError: no endpoint is configured, or its address, key or proxy cannot be used.
        """
        if not is_configured(cfg):
            raise UserError(f"{HOW_TO_CONFIGURE}.")
        key = cfg.openai_api_key.get_secret_value().strip() if cfg.openai_api_key else None
        if key is not None and not (key.isascii() and key.isprintable()):
            raise UserError("The API key of auto_interp has characters that no key has; set OPENAI_API_KEY again.")
        url = checked_url(cfg.openai_base_url or OPENAI_URL, "openai_base_url", ("http", "https"))
        proxy = cfg.openai_proxy and checked_url(
            cfg.openai_proxy, "openai_proxy", ("http", "https", "socks5", "socks5h")
        )
        self._endpoint = Endpoint(url, cfg.openai_model, key, proxy or None)
        limits = openai.Timeout(timeout, connect=min(timeout, 10.0))
        self._openai = openai.OpenAI(
            # Endpoints without keys ignore this one; without any, the library would refuse to start.
            api_key=key or "none",
            base_url=self._endpoint.url,
            timeout=limits,
            max_retries=0,
            http_client=_proxied(proxy, limits) if proxy else None,
        )
        self._closing = threading.Event()
        self._retrying = retrying(first_wait, self._closing, lambda: self.has_answered)
        self._n_refused_forms = 0
        self.has_answered = False
        """Whether the endpoint ever gave an answer to this client."""

    def __repr__(self) -> str:
        return f"LLMClient({self._endpoint.model!r} at {self._endpoint.place})"

    def __enter__(self) -> LLMClient:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends waits for a next attempt and closes the connections."""
        self._closing.set()
        self._openai.close()

    def ask(self, messages: Messages, form: type[AnswerModel]) -> Answer[AnswerModel]:
        """The model's answer to a prompt.

        Raises:
            EndpointUnusableError: no request can succeed (nothing listens, wrong key or model, no quota left).
            EndpointError: this request failed, also when sent again.
        """
        completion = self._completion(messages, form)
        if not isinstance(completion, ChatCompletion):
            raise not_chat_completions(self._endpoint)
        self.has_answered = True
        return self._read(completion, form)

    def _completion(self, messages: Messages, answer: type[AnswerModel]) -> object:
        refusal: openai.APIStatusError | None = None
        for n_refused in range(self._n_refused_forms, len(FORMS)):
            try:
                completion = self._retrying(self._send, messages, response_format(FORMS[n_refused], answer))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                # The status does not say whether the form was refused or the prompt; a looser form tells.
                refusal = refusal or error
            except openai.OpenAIError as error:
                raise describe(error, self._endpoint) from None
            except ValueError as error:
                raise EndpointError(
                    f"The endpoint {self._endpoint.place} answered with something that is not JSON "
                    f"({self._endpoint.redacted(str(error))})."
                ) from None
            else:
                self._n_refused_forms = max(self._n_refused_forms, n_refused)
                return completion
        assert refusal is not None
        raise describe(refusal, self._endpoint) from None

    def _send(self, messages: Messages, structure: dict[str, Any] | None) -> object:
        if self._closing.is_set():
            raise EndpointError("The work was ended before the endpoint answered.")
        return self._openai.chat.completions.create(
            model=self._endpoint.model,
            messages=[{"role": "system", "content": messages.system}, {"role": "user", "content": messages.user}],
            # Through `response_format` the library would walk the whole schema again for every request.
            extra_body={"response_format": structure} if structure else None,
        )

    def _read(self, completion: ChatCompletion, form: type[AnswerModel]) -> Answer[AnswerModel]:
        counted = completion.usage
        usage = Usage(1, counted.prompt_tokens or 0, counted.completion_tokens or 0) if counted else Usage(1)
        model = completion.model or self._endpoint.model
        if not completion.choices:
            # Some routers answer with status 200 and an error in place of the choices.
            error = (completion.model_extra or {}).get("error")
            said = self._endpoint.redacted(f": {error}") if error else ""
            return Answer(None, "", f"the answer is empty{said}", model, usage)
        choice = completion.choices[0]
        text = choice.message.content or ""
        value = read_answer(text, form)
        return Answer(value, text, None if value else _problem(choice, text), model, usage)


def _problem(choice: Any, text: str) -> str:
    if choice.message.refusal:
        return "the model refused to answer"
    if choice.finish_reason == "length":
        return "the answer was cut at the model's length limit"
    if choice.finish_reason == "content_filter":
        return "the endpoint's content filter held the answer back"
    return "the answer does not have the form asked for" if text.strip() else "the answer is empty"


def _proxied(proxy: str, timeout: openai.Timeout) -> Any:
    try:
        return openai.DefaultHttpx2Client(proxy=proxy, timeout=timeout)
    except (ValueError, ImportError):
        raise UserError(
            "The proxy of auto_interp.openai_proxy cannot be used; give one like http://host:port."
        ) from None
