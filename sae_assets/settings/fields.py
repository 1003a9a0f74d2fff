"""What a field of a settings model is: the types it may have and the default that can be written down for it."""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from sae_assets.settings.base import Settings


class NoDefault(Enum):
    """Why no default of a field can be written down."""

    REQUIRED = "required"
    """The field must be set."""
    ENVIRONMENT = "environment"
    """The default is read from the environment; it may be a secret, and the field's docstring names the variable."""


def default_of(field: FieldInfo) -> Any:
    """The field's default in the terms of JSON, or why there is none to write down."""
    if field.is_required():
        return NoDefault.REQUIRED
    default = field.get_default(call_default_factory=True, validated_data={})
    # Containers are made anew for each model; a plain value that is made anew is looked up in the environment.
    if field.default_factory is not None and not isinstance(default, list | dict | BaseModel):
        return NoDefault.ENVIRONMENT
    return to_jsonable_python(default)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type that it is; `Annotated` is taken off, None is among them as NoneType."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(inner for part in get_args(annotation) for inner in alternatives(part))
    return (annotation,)


def models_of(annotation: Any) -> tuple[type[Settings], ...]:
    """The settings models that the annotation is a union of; empty where it is something else. None counts nothing."""
    parts = [part for part in alternatives(annotation) if part is not type(None)]
    if parts and all(isinstance(part, type) and issubclass(part, Settings) for part in parts):
        return tuple(parts)
    return ()
