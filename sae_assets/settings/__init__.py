"""The pydantic models that every setting comes from; the schemas of files and of Dagster are derived from them."""

from sae_assets.settings.activation import (
    ActivationFactoryActivationsSource,
    ActivationFactoryConfig,
    ActivationFactoryDatasetSource,
    ActivationFactorySource,
    ActivationFactoryTarget,
)
from sae_assets.settings.analysis import AnalysisSettings, CheckpointActivations
from sae_assets.settings.analyzer import NON_ACTIVATING, FeatureAnalyzerConfig, SubsampleConfig
from sae_assets.settings.auto_interp import AutoInterpConfig
from sae_assets.settings.base import Settings
from sae_assets.settings.checks import CheckBounds
from sae_assets.settings.dataset import DatasetConfig
from sae_assets.settings.engine import EngineConfig
from sae_assets.settings.errors import UserError, nearest, unknown
from sae_assets.settings.logits import DirectLogitAttributorConfig
from sae_assets.settings.model import BaseModelConfig, LanguageModelConfig, torch_dtype
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.settings.runs import AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings
from sae_assets.settings.sae import PretrainedSAE, SAEOptions

__all__ = [
    "NON_ACTIVATING",
    "ActivationFactoryActivationsSource",
    "ActivationFactoryConfig",
    "ActivationFactoryDatasetSource",
    "ActivationFactorySource",
    "ActivationFactoryTarget",
    "AnalysisSettings",
    "AnalyzeSAESettings",
    "AutoInterpConfig",
    "AutoInterpSettings",
    "BaseModelConfig",
    "CheckBounds",
    "CheckpointActivations",
    "DatasetConfig",
    "DirectLogitAttributeSettings",
    "DirectLogitAttributorConfig",
    "EngineConfig",
    "FeatureAnalyzerConfig",
    "LanguageModelConfig",
    "MongoDBConfig",
    "PretrainedSAE",
    "SAEOptions",
    "Settings",
    "SubsampleConfig",
    "UserError",
    "nearest",
    "torch_dtype",
    "unknown",
]
