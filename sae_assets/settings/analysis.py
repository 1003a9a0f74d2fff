"""Settings of a checkpoint's assets: what an `analysis.toml` holds, and the three runs that follow from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from sae_assets.settings.activation import ActivationFactoryConfig
from sae_assets.settings.analyzer import FeatureAnalyzerConfig
from sae_assets.settings.auto_interp import AutoInterpConfig
from sae_assets.settings.base import Settings
from sae_assets.settings.checks import CheckBounds
from sae_assets.settings.dataset import DatasetConfig
from sae_assets.settings.engine import EngineConfig
from sae_assets.settings.errors import UserError
from sae_assets.settings.logits import DirectLogitAttributorConfig
from sae_assets.settings.model import Dtype, LanguageModelConfig
from sae_assets.settings.runs import AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings
from sae_assets.settings.sae import PretrainedSAE, SAEOptions
from sae_assets.settings.selection import checked_features


class CheckpointActivations(ActivationFactoryConfig):
    """Which activations to make for a checkpoint, which knows its own hook point."""

    hook_points: list[str] = Field(default_factory=list)
    """Points of the model, by their TransformerLens names; the checkpoint's own where not set."""


class AnalysisSettings(Settings):
    """Everything that the assets of a checkpoint need: the content of an `analysis.toml`."""

    sae: SAEOptions = Field(default_factory=SAEOptions)
    """How the checkpoint is loaded."""
    model: LanguageModelConfig | None = None
    """The language model; not needed where all sources are activations."""
    model_name: str | None = None
    """Name of the language model in the store; the checkpoint's, or that of `model`, where not set."""
    datasets: dict[str, DatasetConfig | None] | None = None
    """Datasets by the name that the sources use."""
    activation_factory: CheckpointActivations
    """Which activations to analyse."""
    analyzer: FeatureAnalyzerConfig
    """How many tokens to analyse and which contexts to keep."""
    amp_dtype: Dtype = "torch.float32"
    """Precision of the encoder's product; "torch.bfloat16" is faster and less exact."""
    device_type: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device of the sparse autoencoder; "auto" is the device of its own settings."""
    engine: EngineConfig = Field(default_factory=EngineConfig)
    """Where chunks are made and summarised; no result depends on it."""
    feature_analysis_name: str = "default"
    """Name of the analysis; running it again replaces it."""
    direct_logit_attributor: DirectLogitAttributorConfig = Field(default_factory=DirectLogitAttributorConfig)
    """How logits are attributed."""
    auto_interp: AutoInterpConfig = Field(default_factory=AutoInterpConfig)
    """The endpoint, the examples and the scorers."""
    features: Annotated[list[int] | str | None, BeforeValidator(checked_features)] = None
    """Features to explain: a list of indices, or terms like "0-499, alive, density 1e-5..1e-2, sample 200"; all alive
    ones where not set."""
    max_cost: float | None = Field(default=None, gt=0)
    """US dollars that a run may spend on answers; what is done when they are spent is stored."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Tokens, of prompts and answers together, that a run may pay for; likewise."""
    max_workers: int = Field(default=10, ge=1)
    """Features explained at a time."""
    checks: CheckBounds = Field(default_factory=CheckBounds)
    """Bounds outside which an analysis is suspicious."""

    def for_analysis(self, folder: Path, series: str, name: str) -> AnalyzeSAESettings:
        """What `analyze_sae` needs for the checkpoint in this folder; the hook points must be known by now."""
        return AnalyzeSAESettings(
            sae=self._checkpoint(folder),
            sae_series=series,
            sae_name=name,
            activation_factory=ActivationFactoryConfig.model_validate(self.activation_factory.model_dump()),
            model=self.model,
            model_name=self._name_of_model(),
            datasets=self.datasets,
            analyzer=self.analyzer,
            amp_dtype=self.amp_dtype,
            feature_analysis_name=self.feature_analysis_name,
            device_type=self.device_type,
            engine=self.engine,
        )

    def for_logits(self, folder: Path, series: str, name: str) -> DirectLogitAttributeSettings:
        """What `direct_logit_attribute` needs for the checkpoint in this folder.

        Raises:
            UserError: neither the settings nor the checkpoint name a language model.
        """
        model_name = self._name_of_model()
        if model_name is None:
            raise UserError(
                f"The checkpoint '{series}/{name}' does not say which language model it belongs to, and direct logit "
                "attribution needs it: set model.model_name in its settings."
            )
        return DirectLogitAttributeSettings(
            sae=self._checkpoint(folder),
            sae_series=series,
            sae_name=name,
            model=self.model,
            model_name=model_name,
            direct_logit_attributor=self.direct_logit_attributor,
            feature_analysis_name=self.feature_analysis_name,
            device_type=self.device_type,
        )

    def for_interpretation(self, series: str, name: str) -> AutoInterpSettings:
        """What `auto_interp` needs for this checkpoint."""
        return AutoInterpSettings(
            sae_series=series,
            sae_name=name,
            model=self.model,
            model_name=self._name_of_model(),
            auto_interp=self.auto_interp,
            features=self.features,
            max_cost=self.max_cost,
            max_tokens=self.max_tokens,
            analysis_name=self.feature_analysis_name,
            max_workers=self.max_workers,
        )

    def _checkpoint(self, folder: Path) -> PretrainedSAE:
        return PretrainedSAE(pretrained_name_or_path=str(folder), **self.sae.model_dump())

    def _name_of_model(self) -> str | None:
        return self.model_name or (self.model.model_name if self.model else None)
