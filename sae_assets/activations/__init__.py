"""Contexts cut from documents, and the language model's activations on them. The names are loaded when first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_assets.activations.batch import ActivationBatch, ContextBatch, TokenActivations
    from sae_assets.activations.factory import ActivationFactory

__all__ = ["ActivationBatch", "ActivationFactory", "ContextBatch", "TokenActivations"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "factory" if name == "ActivationFactory" else "batch"
    return getattr(import_module(f"{__name__}.{module}"), name)
