"""The language model and the SAE of an analysis as the store knows them, and what they do on a text. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from sae_assets.settings.activation import ActivationFactoryConfig, ActivationFactoryDatasetSource
from sae_assets.settings.errors import UserError
from sae_assets.settings.model import LanguageModelConfig
from sae_assets.settings.runs import AnalyzeSAESettings
from sae_assets.settings.sae import PretrainedSAE
from sae_assets.store.connection import Store
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.lookup import FoundAnalysis, stored_config

TEXT = "text"
"""Name of the dataset that a typed text stands for."""


@dataclass(frozen=True)
class AnalysedModel:
    """All that decides what an analysis' features do on a text; picklable."""

    key: str
    """The analysis, `series/name/analysis`."""
    sae: PretrainedSAE
    """The checkpoint."""
    sae_identity: str | None
    """Identity of its weights when they were analysed."""
    hook_point: str
    """Where in the model it reads."""
    model: LanguageModelConfig
    """The language model."""
    factory: ActivationFactoryConfig
    """How contexts are cut: a text as the one document of the dataset `TEXT`, in a context of its own."""
    ignore_token_ids: tuple[int, ...]
    """Tokens that count nowhere, beside those of the factory."""
    amp_dtype: str
    """Precision of the encoder's product."""


class FeatureActivation(NamedTuple):
    """A feature that is active somewhere."""

    index: int
    """Which feature."""
    activation: float
    """How strongly, above 0."""


class TextPiece(NamedTuple):
    """A token of a text; tokens that share a character are one, as active as the most active of them."""

    text: str
    """Its characters; empty for a token that was put in, which is there only where something is active on it."""
    activation: float | None
    """Activation of the feature that was asked for, 0 where it is silent; None where none was asked for."""
    strongest: tuple[FeatureActivation, ...]
    """The strongest features, strongest first, ties to the smaller index; empty where one feature was asked for."""


@dataclass(frozen=True)
class TextReading:
    """What features do on a text."""

    pieces: list[TextPiece]
    """Its tokens; their characters joined are the text that was read."""
    n_tokens: int
    """Tokens of the language model in what was read, without those put in."""
    is_truncated: bool
    """Whether the text was longer than what can be read."""


def settings_of(analysis: AnalysisDocument) -> AnalyzeSAESettings:
    """The settings that an analysis was run with.

    Raises:
        UserError: it came without its settings or by another version.
    """
    try:
        return AnalyzeSAESettings.model_validate(analysis.settings)
    except ValidationError:
        raise _of_another_version(analysis) from None


def analysed_sae(found: FoundAnalysis, settings: AnalyzeSAESettings) -> PretrainedSAE:
    """The checkpoint of an analysis, where it lies now and on the device that it was analysed on."""
    device = settings.sae.device if settings.device_type == "auto" else settings.device_type
    return settings.sae.model_copy(update={"pretrained_name_or_path": found.sae.path, "device": device})


def analysed_model(store: Store, found: FoundAnalysis) -> AnalysedModel:
    """The model and the SAE of a published analysis.

    Raises:
        UserError: the analysis came without its settings or by another version, or no language model is known.
    """
    sae, analysis = found.sae, found.analysis
    settings = settings_of(analysis)
    try:
        model = settings.model or _stored_model(store, sae.model_name)
    except ValidationError:
        raise _of_another_version(analysis) from None
    if model is None:
        raise UserError(
            f"The analysis {analysis.id!r} read activations from disk and does not say which language model made them; "
            "give `model` in its settings and run it again."
        )
    return AnalysedModel(
        key=analysis.id,
        sae=analysed_sae(found, settings),
        sae_identity=analysis.identity,
        hook_point=sae.hook_point or sae.config["hook_point_in"],
        model=model,
        factory=_one_text(settings.activation_factory),
        ignore_token_ids=tuple(settings.analyzer.ignore_token_ids or ()),
        amp_dtype=settings.amp_dtype,
    )


def _of_another_version(analysis: AnalysisDocument) -> UserError:
    return UserError(
        f"The analysis {analysis.id!r} was published without its settings or by another version; run it again."
    )


def _stored_model(store: Store, name: str | None) -> LanguageModelConfig | None:
    config = stored_config(store, "models", name) if name is not None else None
    return None if config is None else LanguageModelConfig.model_validate(config)


def _one_text(factory: ActivationFactoryConfig) -> ActivationFactoryConfig:
    """The same contexts of a single document that is a text."""
    datasets = [source for source in factory.sources if isinstance(source, ActivationFactoryDatasetSource)]
    prepend_bos = all(source.prepend_bos for source in datasets)
    source = ActivationFactoryDatasetSource(name=TEXT, prepend_bos=prepend_bos)
    return factory.model_copy(update={"sources": [source], "pack_documents": False})
