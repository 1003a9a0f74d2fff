"""What a batch says of one question, read from a line of its result files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

PASSING = (408, 409, 425, 429)
"""Statuses below 500 with which the same question may have an answer later."""


class Result(NamedTuple):
    """What came of one question."""

    key: str
    """The question, by the key of its answer."""
    completion: Mapping[str, Any] | None
    """The endpoint's answer; None where there is none, for the `problem` given."""
    problem: str = ""
    """What the endpoint says of a question that it did not answer."""
    code: str = ""
    """The endpoint's name for the problem: "batch_expired"."""
    is_passing: bool = False
    """Whether another batch may well answer the question."""


ENDED_EARLY = "batch_expired"
"""Code of a question that the batch did not come to within its day."""


def results_of(chunks: Iterable[bytes]) -> Iterator[Result]:
    """The results in a file, as it comes in; a line that says nothing of any question is passed over."""
    for line in _lines(chunks):
        result = _result(line)
        if result is not None:
            yield result


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # By hand, as text is cut at line separators too, which JSON may hold in the middle of a string.
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    yield rest


def _result(line: bytes) -> Result | None:
    try:
        fields = json.loads(line)
        key, response, error = fields["custom_id"], fields.get("response") or {}, fields.get("error") or {}
        status, body = response.get("status_code", 0), response.get("body")
        if not isinstance(key, str):
            return None
        if status == 200 and isinstance(body, dict):
            return Result(key, body)
        error = error or body.get("error") or {} if isinstance(body, dict) else error
        code, message = str(error.get("code") or ""), str(error.get("message") or "")
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    said = message.rstrip(".") or code or "nothing"
    problem = f"status {status}: {said}" if status else said
    return Result(key, None, problem, code, code == ENDED_EARLY or status in PASSING or status >= 500)
