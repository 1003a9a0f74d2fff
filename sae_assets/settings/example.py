"""A commented example file for any settings model: every field with its docstring, its default and where it goes."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from sae_assets.settings.base import Settings
from sae_assets.settings.fields import NoDefault, alternatives, default_of, models_of

REQUIRED = {
    "sae_name": "my-sae",
    "sae_series": "my-series",
    "model_name": "EleutherAI/pythia-160m",
    "pretrained_name_or_path": "checkpoints/my-series/my-sae",
    "hook_points": ["blocks.6.hook_resid_post"],
    "name": "my-corpus",
    "path": "data/sources/0123456789abcdef",
    "total_analyzing_tokens": 10_000_000,
}
"""An example for each field that must be set."""

ANALYSIS = {
    "model": {"model_name": "EleutherAI/pythia-160m"},
    "datasets": {"my-corpus": {"dataset_name_or_path": "my-corpus.jsonl"}},
}
"""Tables that may be left out but that nearly every analysis has."""

ENTRIES = {"prices": {"my-model": {"input": 0.5, "output": 1.5}}}
"""An example entry, as a comment, for a map of tables that is empty at its default."""

PREAMBLE = """\
A line that begins with "#" and a word is a setting at its default: take the "#" away to change it.
Relative paths are relative to the folder that the command runs in.
"""


def example_toml(model: type[Settings]) -> str:
    """A TOML file that loads as this model: required fields hold examples, all others stand at their default."""
    starters = ANALYSIS if "datasets" in model.model_fields else {}
    lines = [*_comment(model.__doc__), "#", *_comment(PREAMBLE), "", *_table(model, starters)]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[Settings], values: dict[str, Any], path: tuple[str, ...] = (), mark: str = "") -> Iterator[str]:
    """The lines of a table: its plain values, then (as TOML demands) the tables inside it.

    Args:
        values: what is set in it; every other field stands at its default.
        mark: "#" where the whole table is a default and therefore a comment.
    """
    for name, field in model.model_fields.items():
        if not _members(field):
            yield from _comment(field.description)
            yield from _assignment(name, field, values, mark)
            yield ""
    for name, field in model.model_fields.items():
        for member in _members(field):
            inner = (*path, name)
            if get_origin(_type(field)) is list:
                yield from _element(member, inner, field, mark)
            elif get_origin(_type(field)) is dict:
                yield from _named_tables(member, inner, field, values, mark)
            else:
                is_shown = name in values or field.is_required() or default_of(field) is not None
                yield from _headed(
                    f"[{_key(inner)}]", member, values.get(name, {}), inner, field, mark if is_shown else "#"
                )


def _assignment(name: str, field: FieldInfo, values: dict[str, Any], mark: str) -> Iterator[str]:
    """A field's line: TOML writes plain values and lists of them as JSON does, but has no null."""
    default = default_of(field)
    if default is NoDefault.ENVIRONMENT:
        yield f"#{name} = (from the environment)"
    elif values.get(name, default) is None:
        yield f"#{name} = (not set)"
    elif name in values or default is NoDefault.REQUIRED:
        yield f"{mark}{name} = {json.dumps(values[name] if name in values else REQUIRED[name])}"
    else:
        yield f"#{name} = {json.dumps(default)}"


def _element(member: type[Settings], path: tuple[str, ...], field: FieldInfo, mark: str) -> Iterator[str]:
    """One element of a list of tables for each kind it may hold; the first is the example, the others are comments."""
    first, *others = _members(field)
    tag = {"type": default_of(member.model_fields["type"])} if others else {}
    yield from _headed(f"[[{_key(path)}]]", member, tag, path, field, mark if member is first else "#")


def _named_tables(
    member: type[Settings], path: tuple[str, ...], field: FieldInfo, values: dict[str, Any], mark: str
) -> Iterator[str]:
    """The tables of a map: those that are set, or the default ones or an example as comments."""
    is_set = path[-1] in values
    for key, inner in (values[path[-1]] if is_set else default_of(field) or ENTRIES.get(path[-1], {})).items():
        place = (*path, key)
        yield from _headed(f"[{_key(place)}]", member, inner, place, field, mark if is_set else "#")


def _headed(
    header: str, model: type[Settings], values: dict[str, Any], path: tuple[str, ...], field: FieldInfo, mark: str
) -> Iterator[str]:
    yield from _comment(field.description)
    yield f"{mark}{header}"
    yield from _table(model, values, path, mark)


def _members(field: FieldInfo) -> tuple[type[Settings], ...]:
    """The models of a field that is a table, a list of tables or a map of tables; empty for a plain value."""
    kind = _type(field)
    return models_of(get_args(kind)[-1] if get_origin(kind) in (list, dict) else field.annotation)


def _type(field: FieldInfo) -> Any:
    """The type of a field without None; a union of several is not taken apart further."""
    parts = [part for part in alternatives(field.annotation) if part is not type(None)]
    return parts[0] if len(parts) == 1 else field.annotation


def _comment(text: str | None) -> list[str]:
    return [f"# {line}".rstrip() for line in inspect.cleandoc(text or "").splitlines()]


def _key(path: tuple[str, ...]) -> str:
    """A dotted TOML key; every part that is not a bare word is quoted."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part, re.ASCII) else json.dumps(part) for part in path)
