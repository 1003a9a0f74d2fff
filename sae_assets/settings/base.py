"""The base of every settings model: unknown keys are refused by name, a field's docstring is its description."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator
from pydantic_core import PydanticCustomError

from sae_assets.settings.errors import nearest


class Settings(BaseModel):
    """A group of settings, loadable from TOML, YAML, JSON or Python by the same names."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        protected_namespaces=(),
        validate_default=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_key(cls, values: Any, handler: ModelWrapValidatorHandler[Settings]) -> Settings:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "Unknown key '{key}' in {model}; the nearest is '{nearest}'",
                        {"key": str(key), "model": cls.__name__, "nearest": nearest(str(key), cls.model_fields)},
                    )
        return handler(values)
