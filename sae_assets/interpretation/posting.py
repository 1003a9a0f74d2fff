"""One request of the chat-completions protocol, with the openai library's headers and errors.

The library's own `create` takes 1.2 ms of processor time a request, and its `post` 0.7, most of it for models of
requests and answers; with fifty requests under way this is what bounds a run. This takes 0.4.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx2
import openai


class Posting:
    """Sends bodies to one path of an endpoint, from any number of threads."""

    def __init__(self, library: openai.OpenAI, connect: Callable[[], httpx2.Client], path: str) -> None:
        """Connects to nothing yet.

        Args:
            library: says address, key and headers.
            connect: makes a client, which is used for one request at a time. One for all would look through all of
                its connections twice a request, a fifth of the time that a request takes where there are fifty.
            path: below the base URL: "chat/completions".
        """
        connections = connect()
        self._connect, self._idle, self._is_closed = connect, [connections], False
        self._url = library.base_url.join(path)
        self._headers = httpx2.Headers(connections.headers)
        for name, value in {**library.default_headers, **library.auth_headers}.items():
            # Those that describe this machine are nobody's business, and each takes time.
            if isinstance(value, str) and not name.lower().startswith("x-stainless-"):
                self._headers[name] = value
        self._extensions = {"timeout": connections.timeout.as_dict()}

    def close(self) -> None:
        """Closes the connections, those in use as soon as their answer is there."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def __call__(self, body: Mapping[str, Any]) -> object:
        """The endpoint's answer: what its JSON says, or its text where it does not claim to be JSON.

        Raises:
            openai.APIError: there is no answer, or one with an error status.
            ValueError: it is called JSON and is none.
        """
        content = json.dumps(body).encode()
        request = httpx2.Request("POST", self._url, headers=self._headers, content=content, extensions=self._extensions)
        try:
            with self._taken() as connections:
                response = connections.send(request)
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request) from error
        except httpx2.RequestError as error:
            raise openai.APIConnectionError(request=request) from error
        if response.is_error:
            raise _status_error(response)
        try:
            body = json.loads(response.content)
        except ValueError:
            if "json" in response.headers.get("content-type", ""):
                raise
            return response.text
        if isinstance(body, Mapping) and body.get("error") and not body.get("choices"):
            raise _error_in_place_of_an_answer(response, body["error"])
        return body

    @contextmanager
    def _taken(self) -> Iterator[httpx2.Client]:
        """A client that nobody else uses meanwhile; lists are safe for threads in what is done here."""
        try:
            connections = self._idle.pop()
        except IndexError:
            connections = self._connect()
        try:
            yield connections
        finally:
            self._idle.append(connections)
            if self._is_closed:
                self.close()


def _status_error(response: httpx2.Response) -> openai.APIStatusError:
    try:
        body = json.loads(response.content)
    except ValueError:
        body = response.text
    if isinstance(body, Mapping):
        body = body.get("error", body)
    return openai.APIStatusError(f"status {response.status_code}", response=response, body=body)


def _error_in_place_of_an_answer(response: httpx2.Response, said: object) -> openai.APIStatusError:
    """Routers that began to answer have sent status 200 by the time they fail; OpenRouter puts the real one inside."""
    error = openai.APIStatusError(f"status {response.status_code}", response=response, body=said)
    code = said.get("code") if isinstance(said, Mapping) else None
    if isinstance(code, int) and 400 <= code < 600:
        error.status_code = code
    return error
