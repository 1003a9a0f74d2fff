"""What decides the activations of a source, and the fingerprint that names its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sae_assets.activations.documents import dataset_identity
from sae_assets.disk.identity import identity_of
from sae_assets.language_model.identity import model_identity
from sae_assets.settings.activation import ActivationFactoryConfig, ActivationFactoryDatasetSource
from sae_assets.settings.dataset import DatasetConfig
from sae_assets.settings.errors import UserError, unknown
from sae_assets.settings.model import LanguageModelConfig

FORMAT = 1
"""Raised when the same settings give other contexts or activations than before."""
DECISIVE = {
    "context_size",
    "model_batch_size",
    "override_dtype",
    "ignore_token_ids",
    "ignore_positions",
    "pack_documents",
    "document_separator",
    "seed",
}
"""Fields of `ActivationFactoryConfig` that change a context or an activation, beside the sources."""


@dataclass(frozen=True)
class ActivationSource:
    """A language model on datasets: all that decides contexts and activations, at whichever hook point.

    The hook point is no part of it but a folder below it, so that checkpoints on several hook points of one model share
    their contexts.
    """

    model: LanguageModelConfig
    """The language model."""
    factory: ActivationFactoryConfig
    """Datasets, contexts and precision."""
    datasets: Mapping[str, DatasetConfig]
    """Settings of each dataset that the factory's sources name."""
    token_budget: int
    """Tokens that count, at most."""
    ignore_token_ids: tuple[int, ...] = ()
    """Tokens that count nowhere, beside those of the factory."""

    def __post_init__(self) -> None:
        """Raises a UserError where a source is no dataset, or names one that has no settings."""
        for source in self.factory.sources:
            if not isinstance(source, ActivationFactoryDatasetSource):
                raise UserError(
                    f"The source {source.name!r} holds activations and another one is a dataset; use one kind only."
                )
            if self.datasets.get(source.name) is None:
                raise unknown("dataset", source.name, self.datasets, where="`datasets`")

    @cached_property
    def description(self) -> dict[str, Any]:
        """All that the fingerprint hashes, as JSON-able values; local files and folders by their contents."""
        names = [source.name for source in self.factory.sources]
        return {
            "format": FORMAT,
            "model": model_identity(self.model),
            "prepend_bos": self.model.prepend_bos,
            "sources": [source.model_dump(mode="json") for source in self.factory.sources],
            "datasets": {name: dataset_identity(self.datasets[name]) for name in names},
            "contexts": self.factory.model_dump(mode="json", include=DECISIVE),
            "token_budget": self.token_budget,
            "ignore_token_ids": sorted(self.ignore_token_ids),
        }

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits: equal where contexts and activations are equal."""
        return identity_of(self.description)
