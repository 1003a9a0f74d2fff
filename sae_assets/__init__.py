"""What every feature of a sparse autoencoder means. The names below are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sae_assets.activations.factory import ActivationFactory as ActivationFactory
    from sae_assets.analysis.analyzer import FeatureAnalyzer as FeatureAnalyzer
    from sae_assets.analysis.summaries import FeatureSummaries as FeatureSummaries
    from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder as AbstractSparseAutoEncoder
    from sae_assets.language_model.model import TransformerLensLanguageModel as TransformerLensLanguageModel
    from sae_assets.reading.analysed_feature import AnalysedFeature as AnalysedFeature
    from sae_assets.reading.analysed_sae import AnalysedSAE as AnalysedSAE
    from sae_assets.reading.opening import open as open
    from sae_assets.runners.analyze import analyze_sae as analyze_sae
    from sae_assets.runners.analyze import analyze_saes as analyze_saes
    from sae_assets.runners.interpret import auto_interp as auto_interp
    from sae_assets.runners.logits import direct_logit_attribute as direct_logit_attribute
    from sae_assets.settings import ActivationFactoryActivationsSource as ActivationFactoryActivationsSource
    from sae_assets.settings import ActivationFactoryConfig as ActivationFactoryConfig
    from sae_assets.settings import ActivationFactoryDatasetSource as ActivationFactoryDatasetSource
    from sae_assets.settings import ActivationFactoryTarget as ActivationFactoryTarget
    from sae_assets.settings import AnalyzeSAESettings as AnalyzeSAESettings
    from sae_assets.settings import AutoInterpConfig as AutoInterpConfig
    from sae_assets.settings import AutoInterpSettings as AutoInterpSettings
    from sae_assets.settings import DatasetConfig as DatasetConfig
    from sae_assets.settings import DirectLogitAttributeSettings as DirectLogitAttributeSettings
    from sae_assets.settings import DirectLogitAttributorConfig as DirectLogitAttributorConfig
    from sae_assets.settings import EngineConfig as EngineConfig
    from sae_assets.settings import FeatureAnalyzerConfig as FeatureAnalyzerConfig
    from sae_assets.settings import LanguageModelConfig as LanguageModelConfig
    from sae_assets.settings import MongoDBConfig as MongoDBConfig
    from sae_assets.settings import PretrainedSAE as PretrainedSAE
    from sae_assets.settings import SubsampleConfig as SubsampleConfig
    from sae_assets.settings import UserError as UserError

_SETTINGS = (
    "ActivationFactoryActivationsSource",
    "ActivationFactoryConfig",
    "ActivationFactoryDatasetSource",
    "ActivationFactoryTarget",
    "AnalyzeSAESettings",
    "AutoInterpConfig",
    "AutoInterpSettings",
    "DatasetConfig",
    "DirectLogitAttributeSettings",
    "DirectLogitAttributorConfig",
    "EngineConfig",
    "FeatureAnalyzerConfig",
    "LanguageModelConfig",
    "MongoDBConfig",
    "PretrainedSAE",
    "SubsampleConfig",
    "UserError",
)
_PLACES = dict.fromkeys(_SETTINGS, "sae_assets.settings") | {
    "AbstractSparseAutoEncoder": "sae_assets.dictionary.sparse_autoencoder",
    "ActivationFactory": "sae_assets.activations.factory",
    "AnalysedFeature": "sae_assets.reading.analysed_feature",
    "AnalysedSAE": "sae_assets.reading.analysed_sae",
    "FeatureAnalyzer": "sae_assets.analysis.analyzer",
    "FeatureSummaries": "sae_assets.analysis.summaries",
    "TransformerLensLanguageModel": "sae_assets.language_model.model",
    "analyze_sae": "sae_assets.runners.analyze",
    "analyze_saes": "sae_assets.runners.analyze",
    "auto_interp": "sae_assets.runners.interpret",
    "direct_logit_attribute": "sae_assets.runners.logits",
    "open": "sae_assets.reading.opening",
}
__all__ = sorted(_PLACES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'sae_assets' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
