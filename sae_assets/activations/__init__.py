"""Contexts cut from documents, and the language model's activations on them."""

from sae_assets.activations.batch import ActivationBatch

__all__ = ["ActivationBatch"]
