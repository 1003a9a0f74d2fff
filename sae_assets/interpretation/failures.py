"""What can go wrong at an endpoint, in sentences for the person who configured it, without any secret."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies

import openai

from sae_assets.interpretation.whole_text import whole
from sae_assets.settings import UserError

REFUSED_KEY = (401, 403)
PAYMENT_REQUIRED = 402
NOT_FOUND = 404
QUOTA_CODE = "insufficient_quota"


class EndpointError(Exception):
    """One request had no answer. Its text is a sentence that may be shown and stored."""


class EndpointUnusableError(EndpointError):
    """No request can have an answer: nothing listens there, the key or the model is wrong, the quota is used up."""


class Endpoint(NamedTuple):
    """Where requests go; knows what must not be repeated in a message."""

    url: str
    """Base URL."""
    model: str
    """Model asked for."""
    key: str | None
    """The secret key."""
    proxy: str | None
    """Proxy on the way; may hold a password."""

    @property
    def place(self) -> str:
        """The address as it may be shown."""
        through = f" through the proxy {without_password(self.proxy)}" if self.proxy else ""
        return f"{without_password(self.url)}{through}"

    def redacted(self, text: str) -> str:
        """The text on one line, without the key or a password, cut to a readable length."""
        passwords = [urlsplit(url).password for url in (self.url, self.proxy) if url]
        for secret in (self.key, *passwords):
            if secret:
                text = text.replace(secret, "***")
        text = " ".join(whole(text).split())
        return text if len(text) <= 300 else text[:300] + "…"


def without_password(url: str) -> str:
    """The URL without its user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def checked_url(url: str, field: str, schemes: tuple[str, ...], example: str) -> str:
    """The URL itself, or a `UserError` that names the field but not the text, which may hold a password."""
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise UserError(f"auto_interp.{field} is not an address; give one like {example}.")
    return url


def is_quota_used_up(error: openai.APIStatusError) -> bool:
    """Whether waiting will not help, although the status may be that of a rate limit."""
    return error.status_code == PAYMENT_REQUIRED or QUOTA_CODE in (error.code, error.type)


def describe(error: openai.OpenAIError, endpoint: Endpoint) -> EndpointError:
    """The error that says what happened, where, and what to do."""
    place, model = endpoint.place, endpoint.model
    if isinstance(error, openai.APITimeoutError):
        return EndpointError(f"The endpoint {place} did not answer in time; lower max_workers to ask less at a time.")
    if isinstance(error, openai.APIConnectionError):
        cause = endpoint.redacted(str(error.__cause__ or error)).rstrip(".")
        from_environment = " (or HTTP_PROXY, HTTPS_PROXY)" if getproxies() and not endpoint.proxy else ""
        return EndpointUnusableError(
            f"The endpoint {place} cannot be reached ({cause}); check openai_base_url, openai_proxy{from_environment} "
            "and that it runs."
        )
    if not isinstance(error, openai.APIStatusError):
        return EndpointError(f"The endpoint {place} gave no usable answer ({endpoint.redacted(str(error))}).")
    status = error.status_code
    if status in REFUSED_KEY and not endpoint.key:
        return EndpointUnusableError(
            f"The endpoint {place} wants an API key (status {status}), and none is set; set OPENAI_API_KEY."
        )
    if status in REFUSED_KEY:
        return EndpointUnusableError(
            f"The endpoint {place} refused the API key (status {status}); "
            f"set OPENAI_API_KEY to a key that may use {model!r}."
        )
    if status == NOT_FOUND:
        return EndpointUnusableError(
            f"The endpoint {place} does not know the model {model!r} or the address is wrong (status {status}): "
            f"{_words(error, endpoint)}; check openai_model and openai_base_url (it often ends in /v1)."
        )
    if is_quota_used_up(error):
        return EndpointUnusableError(
            f"The quota at {place} is used up (status {status}): {_words(error, endpoint)}; "
            "add credit, or use another key."
        )
    return EndpointError(f"The endpoint {place} answered with status {status}: {_words(error, endpoint)}.")


def not_chat_completions(endpoint: Endpoint) -> EndpointUnusableError:
    """The error for an address that answers with something else, such as a web page."""
    return EndpointUnusableError(
        f"What answers at {endpoint.place} does not speak the chat-completions protocol; "
        "check openai_base_url (it often ends in /v1)."
    )


def _words(error: openai.APIStatusError, endpoint: Endpoint) -> str:
    """What the server said."""
    message = error.body.get("message") if isinstance(error.body, dict) else error.body
    return endpoint.redacted(str(message or error.message)).rstrip(".")
