"""Settings of the three runs: analyse a checkpoint, attribute its logits, explain its features."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sae_assets.settings.activation import ActivationFactoryConfig
from sae_assets.settings.analyzer import FeatureAnalyzerConfig
from sae_assets.settings.auto_interp import AutoInterpConfig
from sae_assets.settings.base import Settings
from sae_assets.settings.dataset import DatasetConfig
from sae_assets.settings.engine import EngineConfig
from sae_assets.settings.logits import DirectLogitAttributorConfig
from sae_assets.settings.model import Dtype, LanguageModelConfig
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.settings.sae import PretrainedSAE
from sae_assets.settings.selection import checked_features


class AnalyzeSAESettings(Settings):
    """Everything that `analyze_sae` needs."""

    sae: PretrainedSAE
    """The checkpoint."""
    sae_name: str
    """Name of the checkpoint in the store."""
    sae_series: str
    """Series that the checkpoint belongs to."""
    activation_factory: ActivationFactoryConfig
    """Which activations to analyse."""
    model: LanguageModelConfig | None = None
    """The language model; not needed where all sources are activations."""
    model_name: str | None = None
    """Name of the language model in the store."""
    datasets: dict[str, DatasetConfig | None] | None = None
    """Datasets by the name that the sources use."""
    analyzer: FeatureAnalyzerConfig
    """How many tokens to analyse and which contexts to keep."""
    amp_dtype: Dtype = "torch.float32"
    """Precision of the encoder's product; "torch.bfloat16" is faster and less exact."""
    feature_analysis_name: str = "default"
    """Name of the analysis; running it again replaces it."""
    mongo: MongoDBConfig | None = None
    """Where results go; the bundled server where neither this nor `output_dir` is set."""
    output_dir: str | None = None
    """Folder that results are written to as Parquet; without `mongo`, only there."""
    model_parallel_size: Literal[1] = 1
    """Accepted for the seed's settings; only 1."""
    device_type: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device of the sparse autoencoder; "auto" is the device of its own settings."""
    engine: EngineConfig = Field(default_factory=EngineConfig)
    """Where chunks are made and summarised; no result depends on it."""


class DirectLogitAttributeSettings(Settings):
    """Everything that `direct_logit_attribute` needs."""

    sae: PretrainedSAE
    """The checkpoint."""
    sae_name: str
    """Name of the checkpoint in the store."""
    sae_series: str
    """Series that the checkpoint belongs to."""
    layer_idx: None = None
    """Layer of a cross-layer transcoder; those are not read, so it must stay unset."""
    model: LanguageModelConfig | None = None
    """The language model; the one that `model_name` names where not set."""
    model_name: str
    """Name of the language model: on the hub, a local folder, or as it was stored by an analysis."""
    direct_logit_attributor: DirectLogitAttributorConfig = Field(default_factory=DirectLogitAttributorConfig)
    """How logits are attributed."""
    feature_analysis_name: str = "default"
    """Analysis whose features get the logits."""
    mongo: MongoDBConfig | None = None
    """Where results go; the bundled server where neither this nor `output_dir` is set."""
    output_dir: str | None = None
    """Folder that the table of logits is written to; without `mongo`, only there."""
    device_type: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device of the computation; "auto" is the device of the checkpoint's settings."""


class AutoInterpSettings(Settings):
    """Everything that `auto_interp` needs."""

    sae_name: str
    """Name of the checkpoint in the store."""
    sae_series: str
    """Series that the checkpoint belongs to."""
    model: LanguageModelConfig | None = None
    """The language model; not needed, as contexts are stored with their text."""
    model_name: str | None = None
    """Name of the language model in the store."""
    auto_interp: AutoInterpConfig = Field(default_factory=AutoInterpConfig)
    """The endpoint, the examples and the scorers."""
    mongo: MongoDBConfig | None = None
    """Where features are read from and explanations are written to."""
    features: Annotated[list[int] | str | None, BeforeValidator(checked_features)] = None
    """Features to explain: a list of indices, or terms like "0-499, alive, density 1e-5..1e-2, sample 200"; all alive
    ones where not set."""
    max_cost: float | None = Field(default=None, gt=0)
    """US dollars that a run may spend on answers; what is done when they are spent is stored."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens, of prompts and answers together, that a run may pay for; likewise."""
    analysis_name: str = "default"
    """Analysis whose samples are shown to the explainer."""
    max_workers: int = Field(default=10, ge=1)
    """Features explained at a time."""
