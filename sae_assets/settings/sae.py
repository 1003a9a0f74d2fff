"""Settings of the sparse autoencoder's checkpoint."""

from __future__ import annotations

from sae_assets.settings.model import BaseModelConfig


class SAEOptions(BaseModelConfig):
    """How a checkpoint is loaded, wherever it lies."""

    fold_activation_scale: bool = True
    """Fold a dataset-wise normalisation into the weights on loading, so that raw activations go in and out."""
    strict_loading: bool = True
    """Refuse a checkpoint with missing or unexpected weights."""
    revision: str | None = None
    """Commit, tag or branch of a checkpoint on the Hugging Face hub; its main branch where not set."""
    hook_point: str | None = None
    """Point of the model whose activations the checkpoint encodes, where it does not record it itself."""


class PretrainedSAE(SAEOptions):
    """A trained sparse autoencoder on disk or on the hub."""

    pretrained_name_or_path: str
    """Folder or weight file of the checkpoint, or `repo_id` or `repo_id:folder` on the Hugging Face hub."""
