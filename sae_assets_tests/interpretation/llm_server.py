"""A real HTTP server that speaks the chat-completions protocol, with a judge of known results and faults on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from sae_assets_tests.interpretation.judges import Ask, Judge, marked_word_judge

Headers = dict[str, str]


@dataclass(frozen=True)
class Request:
    """One request, as it came in."""

    payload: dict[str, Any]
    headers: Headers
    """Names in lower case."""
    time: float
    """Seconds, monotonic."""

    @property
    def system(self) -> str:
        return self.payload["messages"][0]["content"]

    @property
    def user(self) -> str:
        return self.payload["messages"][1]["content"]

    @property
    def prompt(self) -> str:
        return f"{self.system}\n\n{self.user}"

    @property
    def ask(self) -> Ask:
        return Ask.read(self.system, self.user)

    @property
    def form(self) -> str:
        """How structure was asked for: "json_schema", "json_object" or "text"."""
        return self.payload.get("response_format", {}).get("type", "text")


class Reply(BaseHTTPRequestHandler):
    """Answers one request; faults are functions of it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        owner = self.server.owner
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(payload, headers, time.monotonic())
        fault = owner.take_fault(request)
        try:
            time.sleep(owner.latency)
            if fault is not None:
                fault(self)
            else:
                owner.answer(self, request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            owner.finished()

    def send(self, status: int, body: str, headers: Headers | None = None, kind: str = "application/json") -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def send_error_message(self, status: int, message: str, headers: Headers | None = None, code: str = "") -> None:
        error = {"message": message, "type": code or "error", "code": code or None}
        self.send(status, json.dumps({"error": error}), headers)

    def send_content(self, content: str | None, finish_reason: str = "stop", refusal: str | None = None) -> None:
        message = {"role": "assistant", "content": content, "refusal": refusal}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "judge-2024",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        self.send(200, json.dumps(completion))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


Fault = Callable[[Reply], None]
"""Replies in another way than with the judge's answer."""


def status(code: int, message: str = "no", retry_after: float | str | None = None, error_code: str = "") -> Fault:
    """An error status, with Retry-After where given."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return lambda reply: reply.send_error_message(code, message, headers, error_code)


def content(text: str | None, finish_reason: str = "stop") -> Fault:
    """This text instead of the judge's answer."""
    return lambda reply: reply.send_content(text, finish_reason)


def refusal(text: str = "I cannot help with that.") -> Fault:
    """The model's refusal, as the protocol has it."""
    return lambda reply: reply.send_content(None, refusal=text)


def body(text: str, kind: str = "application/json") -> Fault:
    """A whole body with status 200."""
    return lambda reply: reply.send(200, text, kind=kind)


def cut_connection(reply: Reply) -> None:
    """Hangs up without an answer."""
    reply.close_connection = True
    reply.connection.close()


def hang(seconds: float) -> Fault:
    """Answers, but too late."""

    def fault(reply: Reply) -> None:
        time.sleep(seconds)
        reply.send_content("{}")

    return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    owner: LLMServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is a fault on purpose."""


class LLMServer:
    """The server, as a context manager; its settings may be changed while it runs.

    Attributes:
        judge: answers prompts; by default explains by the marked word, and is always right for one-word features.
        faults: what the next requests get instead, one each, in their order.
        fault_for: decides for each request whether it gets a fault; asked when `faults` is empty.
        latency: seconds before every reply.
        model, key: other models get status 404, other keys 401, where set.
        refused_forms: response formats that get status 400.
        requests: all requests so far.
        most_at_once: largest number of requests under way at a time.
    """

    def __init__(
        self,
        judge: Judge = marked_word_judge,
        *,
        faults: Iterable[Fault] = (),
        fault_for: Callable[[Request], Fault | None] = lambda _request: None,
        latency: float = 0.0,
        model: str | None = None,
        key: str | None = None,
        refused_forms: Iterable[str] = (),
    ) -> None:
        self.judge, self.latency, self.model, self.key = judge, latency, model, key
        self.faults, self.fault_for, self.refused_forms = list(faults), fault_for, set(refused_forms)
        self.requests: list[Request] = []
        self.most_at_once = 0
        self._n_at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), Reply)
        self._server.owner = self

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take_fault(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            self._n_at_once += 1
            self.most_at_once = max(self.most_at_once, self._n_at_once)
            return self.faults.pop(0) if self.faults else self.fault_for(request)

    def finished(self) -> None:
        with self._lock:
            self._n_at_once -= 1

    def answer(self, reply: Reply, request: Request) -> None:
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            return reply.send_error_message(401, f"Incorrect API key provided: {given}", code="invalid_api_key")
        if reply.path != "/v1/chat/completions":
            return reply.send_error_message(404, "no such path")
        if self.model is not None and request.payload["model"] != self.model:
            return reply.send_error_message(404, f"The model {request.payload['model']} does not exist")
        if request.form in self.refused_forms:
            return reply.send_error_message(400, f"response_format {request.form} is not supported with this model")
        fields = self.judge(request.ask)
        with_steps = {"steps": ["look", "think"], **fields} if '"steps"' in request.system else fields
        return reply.send_content(json.dumps(with_steps))
