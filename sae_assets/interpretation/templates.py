"""Prompts as template files: filled with text, versioned by what they say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import NamedTuple

from pydantic import BaseModel

USER_PART = "=== user ===\n"
"""The line of a template file that divides the system message from the user's."""

ANSWER_FORMAT = "Answer with one JSON object and nothing else. Its fields, in this order:"


class Messages(NamedTuple):
    """A prompt as it is sent."""

    system: str
    """What the model is told of its task; the same for all features."""
    user: str
    """The feature at hand."""

    @property
    def text(self) -> str:
        """Both messages as one text, for the record."""
        return f"{self.system}\n\n{self.user}"


@dataclass(frozen=True)
class Prompt:
    """A template for one kind of answer."""

    system: Template
    user: Template
    version: str
    """Hash of the template and of the answer's form, 12 hex digits: equal versions ask in equal words."""

    def fill(self, **fields: str) -> Messages:
        """The messages with every `$field` replaced; a field that the template lacks or that is not given is a bug."""
        return Messages(self.system.substitute(fields), self.user.substitute(fields))


@cache
def load_prompt(name: str, answer: type[BaseModel]) -> Prompt:
    """The template `prompts/<name>.txt` with the description of `answer` in place of `$answer_format`."""
    return parse_prompt((files("sae_assets.interpretation") / "prompts" / f"{name}.txt").read_text("utf-8"), answer)


def parse_prompt(text: str, answer: type[BaseModel]) -> Prompt:
    """The prompt that a template's text makes; its version changes with all that decides the answer but the feature."""
    system, user = text.split(USER_PART)
    system = system.strip().replace("$answer_format", answer_format(answer).replace("$", "$$"))
    user = user.strip()
    version = hashlib.sha256("\n".join([system, user, json.dumps(answer.model_json_schema())]).encode()).hexdigest()
    return Prompt(Template(system), Template(user), version[:12])


def answer_format(answer: type[BaseModel]) -> str:
    """The answer's fields in words, for models that are not held to a schema."""
    lines = [f"- {json.dumps(name)}: {field.description}" for name, field in answer.model_fields.items()]
    return "\n".join([ANSWER_FORMAT, *lines])
