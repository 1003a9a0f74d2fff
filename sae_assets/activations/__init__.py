"""Contexts cut from documents, and the language model's activations on them."""

from sae_assets.activations.batch import ActivationBatch, ContextBatch, TokenActivations
from sae_assets.activations.factory import ActivationFactory

__all__ = ["ActivationBatch", "ActivationFactory", "ContextBatch", "TokenActivations"]
