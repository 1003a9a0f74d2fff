"""Checkpoints of every known format: read, identified, and written in that of lm-saes."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.formats.checkpoint_format import DATASET_NORMS
from sae_assets.dictionary.formats.lm_saes import DATASET_NORM, LM_SAES
from sae_assets.dictionary.locate import LocatedCheckpoint, locate
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.disk.identity import file_identity, identity_of
from sae_assets.engine.device import checked_device
from sae_assets.settings.errors import UserError
from sae_assets.settings.layers import CheckpointFacts
from sae_assets.settings.sae import PretrainedSAE

logger = logging.getLogger(__name__)


def load_checkpoint(pretrained: PretrainedSAE, device: str | torch.device, dtype: torch.dtype) -> SparseAutoEncoder:
    """The autoencoder of a checkpoint, ready to encode. Which format it has is found by itself, and logged.

    Raises:
        UserError: there is no such checkpoint, it is incomplete or damaged, or the device does not exist.
    """
    target = checked_device(str(device))
    located = _located(pretrained)
    config = _config(located, pretrained)
    weights = located.format.weights(located.folder, config, located.weights)
    logger.info("%s is a checkpoint of %s.", located.folder, located.format.name)
    sae = SparseAutoEncoder(config)
    norms = [float(weights.pop(name)) for name in DATASET_NORMS if name in weights]
    if norms:
        sae.set_dataset_norms(*norms)
    _load(sae, weights, located, pretrained.strict_loading)
    sae = sae.to(device=target, dtype=dtype).requires_grad_(False)
    if pretrained.fold_activation_scale:
        sae.fold_activation_scale()
    return sae


def checkpoint_config(pretrained: PretrainedSAE) -> SAEConfig:
    """What a checkpoint says about itself, without reading its weights; raises as `load_checkpoint` does.

    A hook point that it does not record is that of the settings, or None.
    """
    return _config(_located(pretrained), pretrained)


def checkpoint_facts(folder: Path) -> CheckpointFacts:
    """What the checkpoint in a folder says about itself that no settings need to; raises as `load_checkpoint` does."""
    located = locate(str(folder))
    config = located.format.config(located.folder)
    return CheckpointFacts(config.hook_point_in, config.model_name, str(located.about.relative_to(located.folder)))


def checkpoint_format(pretrained: PretrainedSAE) -> str:
    """What the format of a checkpoint is called; raises as `load_checkpoint` does."""
    return _located(pretrained).format.name


def checkpoint_identity(pretrained: PretrainedSAE) -> str:
    """A hash of the checkpoint's config and weights (16 hex digits): another one, and its results are out of date."""
    located = _located(pretrained)
    corrections = [dict(located.corrections)] if located.corrections else []
    return identity_of([*(file_identity(path) for path in located.files), *corrections])


def save_checkpoint(sae: SparseAutoEncoder, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes `config.json` and `sae_weights.safetensors`, which `load_checkpoint` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = LM_SAES.written({name: value.detach() for name, value in sae.state_dict().items()})
    weights = {name: value.to(dtype).contiguous() for name, value in weights.items()}
    norms = {sae.hook_point_in: sae.dataset_norm_in, sae.hook_point_out: sae.dataset_norm_out}
    weights |= {DATASET_NORM + hook: torch.tensor(norm) for hook, norm in norms.items() if hook}
    save_file(weights, folder / LM_SAES.weight_names[0])
    (folder / LM_SAES.config_name).write_text(json.dumps(sae.config.model_dump(), indent=2) + "\n", encoding="utf-8")


def _located(pretrained: PretrainedSAE) -> LocatedCheckpoint:
    return locate(pretrained.pretrained_name_or_path, pretrained.revision)


def _config(located: LocatedCheckpoint, pretrained: PretrainedSAE) -> SAEConfig:
    """What the checkpoint and the settings say together."""
    config, hook_point = located.format.config(located.folder), pretrained.hook_point
    if hook_point is None or config.hook_point_in == hook_point:
        return config
    if config.hook_point_in is not None:
        raise UserError(
            f"sae.hook_point is {hook_point!r}, but {located.about} says {config.hook_point_in!r}; leave "
            "hook_point out."
        )
    return config.model_copy(update={"hook_point_in": hook_point})


def _load(sae: SparseAutoEncoder, weights: Mapping[str, Tensor], located: LocatedCheckpoint, is_strict: bool) -> None:
    path, about, expected = located.weights, located.about.name, sae.state_dict()
    missing, unexpected = sorted(expected.keys() - weights.keys()), sorted(weights.keys() - expected.keys())
    if is_strict and (missing or unexpected):
        raise UserError(
            f"The weights {str(path)!r} do not fit their {about}: missing {missing}, not expected {unexpected}; "
            "`strict_loading = false` loads what fits."
        )
    for name, value in weights.items():
        if name not in expected:
            continue
        if value.shape != expected[name].shape:
            raise UserError(
                f"The weights {str(path)!r} have {name} of shape {tuple(value.shape)} where {about} asks for "
                f"{tuple(expected[name].shape)}."
            )
        if not value.isfinite().all():
            raise UserError(f"The weights {str(path)!r} have a NaN or infinite value in {name}; the SAE is broken.")
    sae.load_state_dict({name: value for name, value in weights.items() if name in expected}, strict=False)
    if sae.config.act_fn == "jumprelu":
        sae.threshold.detach().clamp_(min=0)  # in every format, what is active is above 0
