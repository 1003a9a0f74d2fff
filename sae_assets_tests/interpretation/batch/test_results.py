"""Reading the files that a batch leaves."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.batch.results import Result, results_of


def line(key: str, status: int, body: Any, error: Any = None) -> bytes:
    response = {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "x", "custom_id": key, "response": response, "error": error}, ensure_ascii=False).encode()


@given(texts=st.lists(st.text()), cuts=st.sets(st.integers(0, 500)))
def test_results_do_not_depend_on_how_the_file_comes_in(texts: list[str], cuts: set[int]) -> None:
    file = b"".join(line(str(n), 200, {"text": text}) + b"\n" for n, text in enumerate(texts))
    ends = [0, *sorted(cut for cut in cuts if cut < len(file)), len(file)]
    chunks = [file[start:stop] for start, stop in pairwise(ends)]
    assert list(results_of(chunks)) == [Result(str(n), {"text": text}) for n, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("status", "body", "error", "expected"),
    [
        (400, {"error": {"message": "Too long."}}, None, Result("k", None, "status 400: Too long")),
        (429, {"error": {"message": "Slow"}}, None, Result("k", None, "status 429: Slow", "", True)),
        (500, "<html>", None, Result("k", None, "status 500: nothing", "", True)),
        (0, None, {"code": "batch_expired", "message": "Late."}, Result("k", None, "Late", "batch_expired", True)),
        (0, None, {"code": "batch_cancelled", "message": ""}, Result("k", None, "batch_cancelled", "batch_cancelled")),
        (200, None, None, Result("k", None, "status 200: nothing")),
    ],
)
def test_prompt_without_an_answer_says_why_and_whether_to_ask_again(
    status: int, body: Any, error: Any, expected: Result
) -> None:
    assert list(results_of([line("k", status, body, error)])) == [expected]


def test_line_without_a_response_is_read() -> None:
    text = b'{"custom_id": "k", "response": null, "error": {"code": "batch_expired", "message": "Late."}}'
    assert list(results_of([text])) == [Result("k", None, "Late", "batch_expired", True)]


@given(st.binary())
def test_whatever_else_is_in_a_file_is_passed_over(garbage: bytes) -> None:
    good = line("k", 200, {})
    assert Result("k", {}) in list(results_of([garbage + b"\n", good, b"\n"]))


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "3", '{"custom_id": 3}', '{"custom_id": "k", "response": 7}', "[" * 9999]
)
def test_line_that_is_no_result_is_passed_over(text: str) -> None:
    assert list(results_of([text.encode()])) == []
