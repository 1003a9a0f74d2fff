"""The chat-completions protocol: what is sent for a question, and what comes back for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from sae_assets.interpretation.asking import Question, Reply
from sae_assets.interpretation.counted import cost_in, count_in
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.whole_text import whole
from sae_assets.settings import AutoInterpConfig, UserError

STRUCTURES = ("json_schema", "json_object", "text")
"""Ways of asking for an answer's form, the strictest first."""
OURS = ("messages", "model", "stream", "n", "response_format")
"""Fields of a request that settings cannot change."""


def checked_options(cfg: AutoInterpConfig) -> Mapping[str, Any]:
    """The further fields of every request.

    Raises:
        UserError: one of them is not the settings' to say.
    """
    if taken := [name for name in OURS if name in cfg.request_options]:
        raise UserError(
            f"auto_interp.request_options cannot have the field {taken[0]!r}, which every request has of its own; "
            "leave it out."
        )
    return cfg.request_options


def request_body(cfg: AutoInterpConfig, question: Question[Any], structure: str = "json_schema") -> dict[str, Any]:
    """The whole body of a request to `/chat/completions`.

    Args:
        structure: how the answer's form is asked for, one of `STRUCTURES`.
    """
    system, user = question.messages
    return {
        "model": cfg.openai_model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        **_response_format(structure, question.form),
        **cfg.request_options,
    }


@cache
def _response_format(structure: str, form: type[BaseModel]) -> dict[str, Any]:
    if structure == "json_schema":
        schema = {"name": form.__name__, "schema": form.model_json_schema(), "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {"response_format": {"type": "json_object"}} if structure == "json_object" else {}


def reply_of(completion: object, model: str, redacted: Callable[[str], str] = str) -> Reply | None:
    """What a model said, out of the body of an endpoint's answer; None where that is no chat completion at all.

    The cost is what the endpoint itself says.

    Args:
        model: the name for a completion that names no model.
        redacted: makes an endpoint's own words fit to be shown.
    """
    if not isinstance(completion, Mapping):
        return None
    model, usage = whole(str(completion.get("model") or model)), _usage(_mapping(completion.get("usage")))
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices:
        # Some routers answer with status 200 and an error in place of the choices.
        error = completion.get("error")
        said = redacted(f": {error}") if error else ""
        return Reply("", model, usage, f"the answer is empty{said}")
    message = _mapping(_mapping(choices[0]).get("message"))
    text = message.get("content")
    return Reply(whole(text) if isinstance(text, str) else "", model, usage, _problem(_mapping(choices[0]), message))


def _problem(choice: Mapping[str, Any], message: Mapping[str, Any]) -> str | None:
    if message.get("refusal"):
        return "the model refused to answer"
    if choice.get("finish_reason") == "length":
        return "the answer was cut at the model's length limit"
    if choice.get("finish_reason") == "content_filter":
        return "the endpoint's content filter held the answer back"
    return None


def _usage(counted: Mapping[str, Any]) -> Usage:
    return Usage(
        requests=1,
        prompt_tokens=count_in(counted, "prompt_tokens"),
        completion_tokens=count_in(counted, "completion_tokens"),
        reread_tokens=count_in(_mapping(counted.get("prompt_tokens_details")), "cached_tokens"),
        cost=cost_in(counted),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
