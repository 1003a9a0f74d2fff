"""The settings in Dagster's run config: a schema derived from the pydantic models, and the resource that carries it.

Dagster's own `Config` refuses what the models have (unions in lists, optional literals) and fills in defaults, which
would hide what the settings files say. The raw schema does neither: what run config leaves out is absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import dagster as dg
from pydantic import SecretStr

from sae_assets.settings.analysis import AnalysisSettings
from sae_assets.settings.base import Settings
from sae_assets.settings.fields import NoDefault, alternatives, default_of, models_of

SCALARS = {str: dg.String, bool: dg.Bool, int: dg.Int, float: dg.Float, NoneType: dg.Any, Any: dg.Any}
"""Dagster's types of plain values; a setting that can only be None, or anything, is checked by its model."""


def dagster_schema(model: type[Settings]) -> dict[str, dg.Field]:
    """The model as a Dagster config schema in which every field may be left out and none has a default value.

    A field's description is its docstring and its default. Secrets are left out: they come from the environment.
    """
    return _fields((model,))


@dataclass(frozen=True)
class RunSettings:
    """What the run config sets, and nothing else."""

    values: dict[str, Any]
    """Nested as in an `analysis.toml`; not yet validated."""


def _fields(models: tuple[type[Settings], ...]) -> dict[str, dg.Field]:
    """The fields of a model, or all fields of the models of a union, flattened into one shape."""
    fields = {}
    for name in dict.fromkeys(name for model in models for name in model.model_fields):
        owners = [model for model in models if name in model.model_fields]
        annotation = Union[tuple(model.model_fields[name].annotation for model in owners)]  # noqa: UP007
        if SecretStr not in alternatives(annotation):
            fields[name] = dg.Field(
                _config_type(annotation, f"{owners[0].__name__}_{name}"),
                is_required=False,
                description=_description(name, owners, models),
            )
    return fields


def _config_type(annotation: Any, name: str) -> Any:
    """Dagster's type for an annotation; `name` is for an enum, which Dagster knows by name alone."""
    parts = [part for part in alternatives(annotation) if part is not NoneType]
    if len(parts) < len(alternatives(annotation)) and parts:
        return dg.Noneable(_config_type(Union[tuple(parts)], name))  # noqa: UP007
    if models := models_of(annotation):
        return dg.Shape(_fields(models), description=" Or: ".join(model.__doc__ or "" for model in models))
    if choices := [choice for part in parts for choice in _choices(part)]:
        return dg.Enum(name, [dg.EnumValue(choice) for choice in choices])
    if len(parts) > 1:
        return dg.Any  # Dagster has no union of a scalar and a map; the model checks it.
    [part] = parts or [NoneType]
    if get_origin(part) is list:
        return dg.Array(_config_type(get_args(part)[0], name))
    if get_origin(part) is dict:
        return dg.Map(SCALARS[get_args(part)[0]], _config_type(get_args(part)[1], name))
    return SCALARS[part]


def _choices(part: Any) -> tuple[str, ...]:
    """The values that a literal or an enum allows, as they are written in YAML; empty for any other type."""
    if get_origin(part) is Literal:
        return get_args(part)
    return tuple(member.value for member in part) if isinstance(part, type) and issubclass(part, Enum) else ()


def _description(name: str, owners: list[type[Settings]], models: tuple[type[Settings], ...]) -> str:
    field = owners[0].model_fields[name]
    defaults = [default_of(owner.model_fields[name]) for owner in owners]
    parts = [field.description or ""]
    if len(owners) < len(models):
        parts.append(f"Only in: {', '.join(owner.__name__ for owner in owners)}.")
    # Members of a union differ in the default of their discriminator, which says which member is meant.
    if defaults[0] is NoDefault.REQUIRED or any(default != defaults[0] for default in defaults):
        parts.append("Required in the settings.")
    elif defaults[0] is None:
        parts.append("Default: not set.")
    elif defaults[0] is not NoDefault.ENVIRONMENT and not models_of(field.annotation):
        parts.append(f"Default: {json.dumps(defaults[0])}.")
    return " ".join(parts)


@dg.resource(
    config_schema=dagster_schema(AnalysisSettings),
    description="Settings of the analysis; what is left out comes from the nearest analysis.toml.",
)
def settings_resource(context: dg.InitResourceContext) -> RunSettings:
    """The settings of a run; no value is bound, so that the files decide what the run config does not."""
    return RunSettings(context.resource_config or {})
