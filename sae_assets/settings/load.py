"""From a TOML, YAML or JSON file to settings, with mistakes named by file, line and nearest key."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from sae_assets.settings.base import Settings
from sae_assets.settings.errors import UserError
from sae_assets.settings.locate import line_of

AnySettings = TypeVar("AnySettings", bound=Settings)
SUFFIXES = (".toml", ".yaml", ".yml", ".json")


def load_settings(path: Path | str, model: type[AnySettings]) -> AnySettings:
    """The settings in a file.

    Raises:
        UserError: the file is missing, does not parse, or does not fit the model; the sentence names file and line.
    """
    path = Path(path)
    return validated(read_settings_file(path), model, path)


def read_settings_file(path: Path) -> dict[str, Any]:
    """The tables of a settings file, not yet validated.

    Raises:
        UserError: the file is missing, of an unknown kind, or does not parse.
    """
    if path.suffix not in SUFFIXES:
        raise UserError(f"The settings file {str(path)!r} must end in .toml, .yaml, .yml or .json.")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"The settings file {str(path)!r} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The settings file {str(path)!r} cannot be read: {error}.") from error
    values = _parse(text, path)
    if not isinstance(values, dict):
        raise UserError(
            f"The settings file {str(path)!r} must hold a table of settings, not a {type(values).__name__}."
        )
    return values


def validated(values: dict[str, Any], model: type[AnySettings], path: Path | str) -> AnySettings:
    """The values as settings; `path` says where they come from and is read again for the line of a mistake.

    Raises:
        UserError: a key is unknown, a value does not fit or one is missing.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explained(error, Path(path)) from None


def _parse(text: str, path: Path) -> Any:
    import yaml

    try:
        if path.suffix == ".toml":
            return tomllib.loads(text)
        if path.suffix == ".json":
            return json.loads(text)
        return yaml.safe_load(text) or {}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {str(error).rstrip('.')}.") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}.") from error


def _explained(error: ValidationError, path: Path) -> UserError:
    """One sentence about the first mistake, and how many more there are."""
    mistakes = error.errors(include_url=False)
    first = mistakes[0]
    keys = [part for part in first["loc"] if part not in ("dataset", "activations")]
    context = first.get("ctx", {})
    if first["type"] == "unknown_key":
        keys.append(context["key"])
    line = line_of(path, keys)
    place = f"{path}, line {line}" if line else str(path)
    more = f" ({len(mistakes) - 1} more after this one)" if len(mistakes) > 1 else ""
    return UserError(f"{place}: {_sentence(first, keys)}{more}.")


def _sentence(mistake: Any, keys: list[int | str]) -> str:
    name = ".".join(str(key) for key in keys)
    if mistake["type"] == "unknown_key":
        parent = f" in [{name.rpartition('.')[0]}]" if "." in name else ""
        return f"unknown key {keys[-1]!r}{parent}; the nearest is {mistake['ctx']['nearest']!r}"
    if mistake["type"] == "missing":
        return f"{name!r} is missing"
    message = mistake["msg"].removeprefix("Value error, ").rstrip(".")
    return f"{name!r}: {message[:1].lower() + message[1:]}"
