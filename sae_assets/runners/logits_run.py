"""The direct logit attribution of one checkpoint: a table on disk, then the store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sae_assets.analysis.logits import attribute_logits
from sae_assets.analysis.logits_file import LogitsFile, logits_about, read_logits, write_logits
from sae_assets.dictionary.checkpoint import checkpoint_identity
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.disk.identity import identity_of
from sae_assets.disk.layout import CheckpointFolder, DataFolder
from sae_assets.engine.progress import Progress, silent
from sae_assets.language_model.identity import model_identity
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings import DirectLogitAttributeSettings, LanguageModelConfig, UserError

FORMAT = 2
"""Raised when the same settings give other logits than before."""


class MadeLogits(NamedTuple):
    """What came of attributing logits."""

    stored: LogitsFile
    """What the file holds."""
    is_reused: bool
    """Whether it was there already, from the same checkpoint, model and settings."""


@dataclass(frozen=True)
class LogitsRun:
    """One checkpoint with the settings of its attribution."""

    settings: DirectLogitAttributeSettings
    """What to attribute, and how."""
    data: DataFolder
    """Where results lie."""
    stored_model: LanguageModelConfig | None = None
    """The model that an analysis stored under the settings' `model_name`."""

    @property
    def model(self) -> LanguageModelConfig:
        """The language model: the settings' own, else the one that `model_name` names, on disk or in the store."""
        settings = self.settings
        if settings.model is not None:
            return settings.model
        if self.stored_model is not None and not Path(settings.model_name).is_dir():
            return self.stored_model
        return LanguageModelConfig(model_name=settings.model_name)

    @property
    def device(self) -> str:
        """Device of the sparse autoencoder."""
        return self.settings.sae.device if self.settings.device_type == "auto" else self.settings.device_type

    @property
    def folder(self) -> CheckpointFolder:
        """Where the table lies: `output_dir`, or the analysis' place in the data folder."""
        settings = self.settings
        return self.data.checkpoint(
            settings.sae_series, settings.sae_name, settings.feature_analysis_name, settings.output_dir
        )

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides the table: 16 hex digits."""
        decisive = {
            "format": FORMAT,
            "sae": checkpoint_identity(self.settings.sae),
            "sae_options": self.settings.sae.model_dump(mode="json", include={"dtype", "fold_activation_scale"}),
            "model": model_identity(self.model),
            "attributor": self.settings.direct_logit_attributor.model_dump(mode="json"),
        }
        return identity_of(decisive)

    def make_logits(self, progress: Progress = silent) -> MadeLogits:
        """Attributes the logits, unless a table of the same checkpoint, model and settings is there.

        Raises:
            UserError: the checkpoint or the model cannot be loaded, or they do not fit together.
        """
        path = self.folder.logits
        if logits_about(path) == self.identity:
            with suppress(UserError):  # what is damaged is made again
                return MadeLogits(read_logits(path), True)
        settings = self.settings
        sae = AbstractSparseAutoEncoder.from_pretrained(settings.sae, device=self.device)
        model = TransformerLensLanguageModel(self.model)
        cfg = settings.direct_logit_attributor
        norm = model.final_norm if cfg.variant == "norm" else None
        logits = attribute_logits(sae.decoder, model.unembedding, cfg, norm, progress)
        write_logits(path, logits, model.tokenizer.token_text, self.identity)
        return MadeLogits(read_logits(path), False)
