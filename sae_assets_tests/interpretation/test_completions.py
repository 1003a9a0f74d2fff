"""The chat-completions protocol: what is sent, and what can be made of whatever comes back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.interpretation.asking import Reply
from sae_assets.interpretation.completions import checked_options, reply_of, request_body
from sae_assets.interpretation.records import Usage
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets_tests.interpretation.questions import question

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


def completion(**fields: Any) -> dict[str, Any]:
    return {"model": "judge-2024", "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], **fields}


def test_request_has_the_question_its_form_and_the_options_of_the_settings() -> None:
    cfg = AutoInterpConfig(openai_model="m", request_options={"temperature": 0, "seed": 7})
    body = request_body(cfg, question())
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (body["model"], body["temperature"], body["seed"]) == ("m", 0, 7)
    assert body["response_format"]["json_schema"]["name"] == "VerdictsAnswer"
    assert body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    assert request_body(cfg, question(), "json_object")["response_format"] == {"type": "json_object"}
    assert "response_format" not in request_body(cfg, question(), "text")


@pytest.mark.parametrize("name", ["messages", "model", "stream", "n", "response_format"])
def test_option_that_every_request_has_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"request_options cannot have the field '{name}'"):
        checked_options(AutoInterpConfig(request_options={"seed": 1, name: 1}))


def test_usage_is_read_with_reread_tokens_and_the_cost_that_the_endpoint_names() -> None:
    counted = {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "prompt_tokens_details": {"cached_tokens": 60},
        "cost": 0.125,
    }
    assert reply_of(completion(usage=counted), "m") == Reply("yes", "judge-2024", Usage(1, 100, 10, 60, 0.125))
    assert reply_of(completion(usage={"prompt_tokens": None, "prompt_tokens_details": None}), "m") == Reply(
        "yes", "judge-2024", Usage(1)
    )


@pytest.mark.parametrize("nonsense", [-1, float("nan"), float("inf"), 1 << 63, True, "7"])
def test_amount_that_nobody_can_believe_is_none(nonsense: object) -> None:
    usage = {"prompt_tokens": nonsense, "completion_tokens": nonsense, "cost": nonsense}
    reply = reply_of(completion(usage=usage), "m")
    assert reply is not None and reply.usage == Usage(1)


@given(JSON)
def test_anything_that_comes_back_is_a_reply_or_no_completion(value: Any) -> None:
    parts: list[Any] = [value, completion(choices=value), completion(choices=[value]), completion(usage=value)]
    parts += [completion(choices=[{"message": value}]), completion(choices=[{"message": {"content": value}}])]
    for part in parts:
        reply = reply_of(part, "m")
        assert reply is None or (isinstance(reply.text, str) and reply.usage.requests == 1)
    assert (reply_of(value, "m") is None) == (not isinstance(value, dict))
