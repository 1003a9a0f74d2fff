"""On which line of a settings file a key stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path


def line_of(path: Path, keys: Sequence[int | str]) -> int | None:
    """The line (from 1) of the key that this path of keys leads to, or of the last part of it that the file has.

    None where the file cannot be read or has no part of it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    lines = _toml_lines(text) if path.suffix == ".toml" else _yaml_lines(text)
    names = tuple(str(key) for key in keys)
    for length in range(len(names), 0, -1):
        if names[:length] in lines:
            return lines[names[:length]]
    return None


def _yaml_lines(text: str) -> dict[tuple[str, ...], int]:
    """Lines of all keys of a YAML text; JSON is YAML too."""
    import yaml

    lines: dict[tuple[str, ...], int] = {}

    def walk(node: yaml.Node | None, prefix: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                place = (*prefix, str(key.value))
                lines[place] = key.start_mark.line + 1
                walk(value, place)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                lines[(*prefix, str(index))] = value.start_mark.line + 1
                walk(value, (*prefix, str(index)))

    walk(yaml.compose(text, Loader=yaml.SafeLoader), ())
    return lines


_PART = re.compile(r'"([^"]*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    """Lines of tables and of keys of a TOML text; keys of inline tables stand on the line of the table."""
    lines: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*(\[\[?)([^\[\]]+)\]", line)
        if header:
            table = _parts(header[2])
            if header[1] == "[[":
                index = counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, str(index))
            lines.setdefault(table, number)
            continue
        key = re.match(r"\s*([^=#\[]+?)\s*=", line)
        if key:
            place = (*table, *_parts(key[1]))
            lines.setdefault(place, number)
            for inner in re.finditer(r"[{,]\s*([A-Za-z0-9_-]+)\s*=", line):
                lines.setdefault((*place, inner[1]), number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(quoted or single or bare for quoted, single, bare in _PART.findall(dotted))
