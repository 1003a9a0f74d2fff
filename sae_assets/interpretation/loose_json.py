"""Objects in text that is nearly JSON, as small models write it: single quotes, trailing commas, comments, True.

The library json-repair reads all of it, and also completes what is cut and drops what it cannot place. What it gives
counts here only where it says what the text says: every word, number, colon and bracket, in their order. So a repair
changes punctuation and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import json_repair
from pydantic import BaseModel

LONGEST = 10_000
"""Characters at the end of a text that are looked at; the time that a repair may take grows with their square."""

_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\\n])*')   # strings are kept
    | (?<![^\s,{}\[\]\d"']) (?://|\#) [^\n]*      # the // of an address follows a colon
    | /\*.*?\*/""",
    re.DOTALL | re.VERBOSE,
)
_LAST_ZEROS = re.compile(r"(\.\d*?)0+(?!\d)")
_PUNCTUATION = re.compile(r"""\\\\|(?:\\u[0-9a-fA-F]{4})+|\\[bfnrt]|[\s"'“”‘’`,\\]""")


def loose_objects(text: str, form: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """The objects of a text with all required fields of a form, the likely first: the whole, then the last inner one.

    Half an object is none, nor is one that holds less or more than the text.
    """
    text = text[-LONGEST:]
    whole = text[max(0, text.find("{")) : text.rfind("}") + 1]
    required = [name for name, field in form.model_fields.items() if field.is_required()]
    for part in dict.fromkeys([whole, *reversed(_FLAT_OBJECT.findall(whole))]):
        if all(name in part for name in required):
            for plain in dict.fromkeys([part, _COMMENT.sub(r"\1", part)]):
                value = _repaired(plain)
                if isinstance(value, dict) and _says_the_same(value, plain, form):
                    yield value


def _repaired(text: str) -> Any:
    try:
        value = json_repair.repair_json(text, return_objects=True, skip_json_loads=True, strict=True)
        # Halves of an emoji that were escaped one by one become one character.
        return json.loads(json.dumps(value))
    except Exception:
        # What a guessing parser may stumble over is not ours to know, and no answer is all that it can mean.
        return None


def _says_the_same(value: dict[str, Any], text: str, form: type[BaseModel]) -> bool:
    # Without quotes, a name that nobody asked for is more likely a part of the text before it.
    are_names_sure = all(name in form.model_fields or f'"{name}"' in text or f"'{name}'" in text for name in value)
    return are_names_sure and _words(json.dumps(value, ensure_ascii=False)) == _words(text)


def _words(text: str) -> str:
    """All that a text of JSON says, without the signs that a repair may set, remove or replace."""
    said = _PUNCTUATION.sub(_without_sign, _LAST_ZEROS.sub(r"\1", text))
    # On both sides, so that Python's None is null and every other "none" still equals itself.
    return said.casefold().replace("none", "null")


def _without_sign(sign: re.Match[str]) -> str:
    if sign[0] == "\\\\":
        return "\\"
    if sign[0].startswith("\\u"):
        return _PUNCTUATION.sub("", json.loads(f'"{sign[0]}"'))
    return ""
