"""The scripted server with OpenAI's Batch API: files, batches that end as they are told, and requests that it holds."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sae_assets_tests.interpretation.llm_server import LLMServer, Reply, Request


@dataclass
class ServedBatch:
    """A batch at the server."""

    id: str
    input_file: str
    looks_left: int
    """Looks at it before it ends."""
    ending: str
    """Its last status."""
    status: str = "validating"
    results: dict[str, str | None] = field(default_factory=dict)
    """Files of answers and of errors."""
    n_done: int = 0
    n_failed: int = 0
    n_lines: int = 0


class LineReply(Reply):
    """Answers a line of a batch as it would answer a request, but keeps the answer."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        self.status, self.body = 0, {}

    def send(self, status: int, body: str, headers: Any = None, kind: str = "application/json") -> None:
        self.status, self.body = status, json.loads(body)


class BatchReply(Reply):
    """Answers the calls of the Batch API, and completions as before."""

    server: Any

    def do_POST(self) -> None:
        if self.path == "/v1/chat/completions":
            super().do_POST()
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(lambda owner: owner.upload(self, body) if self.path == "/v1/files" else owner.begin(self, body))

    def do_GET(self) -> None:
        def answer(owner: BatchServer) -> None:
            parts = urlsplit(self.path)
            match parts.path.removeprefix("/v1/").split("/"):
                case ["batches"]:
                    owner.list(self, {name: values[0] for name, values in parse_qs(parts.query).items()})
                case ["batches", batch]:
                    owner.look(self, batch)
                case ["files", file, "content"]:
                    owner.download(self, file)
                case _:
                    self.send_error_message(404, "no such path")

        self._answer(answer)

    def _answer(self, answer: Any) -> None:
        owner: BatchServer = self.server.owner
        owner.calls.append(f"{self.command} {self.path.split('?')[0]}")
        try:
            if owner.call_faults and (fault := owner.call_faults.pop(0)):
                fault(self)
            elif owner.has_batches:
                answer(owner)
            else:
                self.send_error_message(404, "no such path")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send_object(self, value: dict[str, Any]) -> None:
        self.send(200, json.dumps(value))


class BatchServer(LLMServer):
    """The server, as a context manager. A line of a batch is a request like any other: counted, judged, given faults.

    Attributes:
        looks: looks at a new batch before it ends.
        endings: how the next batches end, "completed" where there is nothing; an expired or cancelled one has answers
            to the first half of its lines.
        refusal: code and words of the batches that end as "failed".
        call_faults: what the next calls of the Batch API get instead, one each; None for nothing.
        hold_at: "upload", "uploaded", "create", "created", "look" or "download": the next such call has no effect
            (where it ends in d, no answer), and hangs until `released`, then its connection is cut.
        held: set when a call hangs there.
        calls: of the Batch API, as "GET /v1/batches".
        page: most batches in a page of the list.
    """

    def __init__(self, *, endings: Iterable[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self._server.RequestHandlerClass = BatchReply
        self.looks, self.endings = 1, list(endings)
        self.refusal: tuple[str, str] = ("invalid_json_line", "Line 1 is not valid")
        self.call_faults: list[Any] = []
        self.hold_at: str | None = None
        self.held, self.released = threading.Event(), threading.Event()
        self.calls: list[str] = []
        self.has_batches = True
        self.page = 100
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, ServedBatch] = {}
        self._ids = itertools.count(1)
        self._batches_lock = threading.RLock()

    @property
    def prompts(self) -> list[str]:
        """All prompts that were asked, directly or by batches."""
        return [request.prompt for request in self.requests]

    @property
    def n_lines(self) -> list[int]:
        """Lines of each batch, the first batch first."""
        return [batch.n_lines for batch in self.batches.values()]

    def upload(self, reply: BatchReply, body: bytes) -> None:
        self._hold("upload")
        head = f"Content-Type: {reply.headers['Content-Type']}\r\n\r\n".encode()
        parts = message_from_bytes(head + body).get_payload()
        files = [part for part in parts if part.get_filename()]  # type: ignore[union-attr]
        file = self._add_file(files[0].get_payload(decode=True))  # type: ignore[union-attr, arg-type]
        self._hold("uploaded")
        reply.send_object(
            {"id": file, "object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"}
        )

    def begin(self, reply: BatchReply, body: bytes) -> None:
        self._hold("create")
        fields = json.loads(body)
        assert (fields["endpoint"], fields["completion_window"]) == ("/v1/chat/completions", "24h")
        with self._batches_lock:
            ending = self.endings.pop(0) if self.endings else "completed"
            batch = ServedBatch(f"batch_{next(self._ids)}", fields["input_file_id"], self.looks, ending)
            batch.n_lines = self.files[batch.input_file].count(b"\n")
            self.batches[batch.id] = batch
        self._hold("created")
        reply.send_object(self._shown(batch))

    def list(self, reply: BatchReply, query: dict[str, str]) -> None:
        newest_first = list(reversed(self.batches.values()))
        start = next((n + 1 for n, batch in enumerate(newest_first) if batch.id == query.get("after")), 0)
        stop = start + min(self.page, int(query["limit"]))
        data = [self._shown(batch) for batch in newest_first[start:stop]]
        reply.send_object({"object": "list", "data": data, "has_more": stop < len(newest_first)})

    def look(self, reply: BatchReply, batch_id: str) -> None:
        self._hold("look")
        if batch_id not in self.batches:
            return reply.send_error_message(404, f"No batch found with id '{batch_id}'.")
        with self._batches_lock:
            batch = self.batches[batch_id]
            batch.looks_left -= 1
            if batch.looks_left <= 0 and batch.status != batch.ending:
                self._end(batch, dict(reply.headers.items()))
            elif batch.status == "validating":
                batch.status = "in_progress"
        return reply.send_object(self._shown(batch))

    def download(self, reply: BatchReply, file: str) -> None:
        if file not in self.files:
            return reply.send_error_message(404, "no such file")
        data = self.files[file]
        reply.send_response(200)
        reply.send_header("Content-Type", "application/jsonl")
        reply.send_header("Content-Length", str(len(data)))
        reply.end_headers()
        reply.wfile.write(data[: len(data) // 2])
        self._hold("download")
        reply.wfile.write(data[len(data) // 2 :])
        return None

    def _hold(self, point: str) -> None:
        if self.hold_at == point:
            self.hold_at = None
            self.held.set()
            self.released.wait(60)
            raise ConnectionResetError

    def _add_file(self, data: bytes) -> str:
        file = f"file-{next(self._ids)}"
        self.files[file] = data
        return file

    def _end(self, batch: ServedBatch, headers: dict[str, str]) -> None:
        batch.status = batch.ending
        if batch.ending == "failed":
            return
        lines = [json.loads(line) for line in self.files[batch.input_file].splitlines()]
        n_asked = len(lines) if batch.ending == "completed" else len(lines) // 2
        answers, errors = [], []
        for line in lines[:n_asked]:
            request = Request(line["body"], {name.lower(): value for name, value in headers.items()}, time.monotonic())
            fault, reply = self.take_fault(request), LineReply()
            fault(reply) if fault else self.answer(reply, request)
            self.finished()
            response = {"status_code": reply.status, "request_id": "r", "body": reply.body}
            answer = {"id": "a", "custom_id": line["custom_id"], "response": response, "error": None}
            (answers if reply.status == 200 else errors).append(answer)
        error = {"code": f"batch_{batch.ending}", "message": f"This request was not executed: {batch.ending}."}
        errors += [{"custom_id": line["custom_id"], "response": None, "error": error} for line in lines[n_asked:]]
        batch.n_done, batch.n_failed = len(answers), len(errors)
        # Not in the order of the questions, as the API says.
        batch.results = {
            name: self._add_file(b"".join(json.dumps(line).encode() + b"\n" for line in reversed(lines)))
            for name, lines in (("output_file_id", answers), ("error_file_id", errors))
            if lines
        }

    def _shown(self, batch: ServedBatch) -> dict[str, Any]:
        code, message = self.refusal
        errors = {"object": "list", "data": [{"code": code, "message": message, "line": 1, "param": None}]}
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "created_at": 1,
            "input_file_id": batch.input_file,
            "status": batch.status,
            "errors": errors if batch.status == "failed" else None,
            "request_counts": {"total": batch.n_lines, "completed": batch.n_done, "failed": batch.n_failed},
            **batch.results,
        }
