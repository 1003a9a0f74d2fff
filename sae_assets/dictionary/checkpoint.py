"""Checkpoints of the lm-saes format on disk or on the hub: found, read, written, identified."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, read_config
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.disk.identity import file_identity, identity_of
from sae_assets.engine.device import checked_device
from sae_assets.settings.errors import UserError, nearest
from sae_assets.settings.sae import PretrainedSAE

WEIGHT_FILES = tuple(
    f"{stem}.{suffix}"
    for stem in ("sae_weights", "checkpoints/pruned", "checkpoints/final")
    for suffix in ("safetensors", "pt")
)
"""Where the weights are looked for in a checkpoint's folder, in this order."""
THRESHOLD = "activation_function.log_jumprelu_threshold"
DATASET_NORM = "dataset_average_activation_norm."


def load_checkpoint(pretrained: PretrainedSAE, device: str | torch.device, dtype: torch.dtype) -> SparseAutoEncoder:
    """The autoencoder of a checkpoint, ready to encode.

    Raises:
        UserError: there is no such checkpoint, it is incomplete or damaged, or the device does not exist.
    """
    target = checked_device(str(device))
    folder, weights_file = locate(pretrained.pretrained_name_or_path)
    config = read_config(folder / "config.json")
    weights = _read_weights(weights_file)
    sae = SparseAutoEncoder(config)
    _set_dataset_norms(sae, weights, weights_file)
    _load(sae, weights, weights_file, pretrained.strict_loading)
    sae = sae.to(device=target, dtype=dtype).requires_grad_(False)
    if pretrained.fold_activation_scale:
        sae.fold_activation_scale()
    return sae


def checkpoint_config(path: str) -> SAEConfig:
    """What a checkpoint says about itself, without reading its weights; raises as `load_checkpoint` does."""
    folder, _ = locate(path)
    return read_config(folder / "config.json")


def checkpoint_identity(path: str) -> str:
    """A hash of the checkpoint's config and weights (16 hex digits): another one, and its results are out of date."""
    folder, weights_file = locate(path)
    return identity_of([file_identity(folder / "config.json"), file_identity(weights_file)])


def locate(name_or_path: str) -> tuple[Path, Path]:
    """The folder and the weight file of a checkpoint.

    Raises:
        UserError: nothing is there; the nearest sibling is named.
    """
    path = Path(name_or_path)
    if path.is_file():
        return (path.parent.parent if path.parent.name == "checkpoints" else path.parent), path
    if not path.is_dir():
        path = _download(name_or_path)
    for name in WEIGHT_FILES:
        if (path / name).is_file():
            return path, path / name
    raise UserError(f"The checkpoint {str(path)!r} is incomplete: it has no weights such as {WEIGHT_FILES[0]}.")


def save_checkpoint(sae: SparseAutoEncoder, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes `config.json` and `sae_weights.safetensors`, which `load_checkpoint` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"log_jumprelu_threshold": THRESHOLD}
    weights = {names.get(name, name): value.detach().to(dtype).contiguous() for name, value in sae.state_dict().items()}
    hooks = {sae.hook_point_in: sae.dataset_norm_in, sae.hook_point_out: sae.dataset_norm_out}
    weights |= {DATASET_NORM + hook: torch.tensor(norm) for hook, norm in hooks.items()}
    save_file(weights, folder / WEIGHT_FILES[0])
    (folder / "config.json").write_text(json.dumps(sae.config.model_dump(), indent=2) + "\n", encoding="utf-8")


def _download(name: str) -> Path:
    repo_id, _, inside = name.partition(":")
    if inside and not Path(repo_id).exists():
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(repo_id, allow_patterns=[f"{inside}/*"])) / inside
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
            raise UserError(f"The checkpoint {name!r} cannot be fetched from the Hugging Face hub.") from error
    parent = Path(name).parent
    siblings = [child.name for child in parent.iterdir() if child.is_dir()] if parent.is_dir() else []
    closest = nearest(Path(name).name, siblings)
    advice = f"; the nearest beside it is {closest!r}" if closest else ""
    raise UserError(f"There is no checkpoint {name!r}: neither a folder, a weight file nor `repo_id:name`{advice}.")


def _read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a weight file, in float32. Never unpickles anything but tensors."""
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            weights = weights.get("sae", weights) if isinstance(weights, dict) else weights
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise UserError(f"The weights {str(path)!r} are damaged and cannot be read; copy them again.") from error
    except Exception as error:  # torch.load raises pickle.UnpicklingError and others for what it refuses to unpickle
        raise UserError(f"The weights {str(path)!r} are no plain tensors; only these are loaded.") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"The weights {str(path)!r} are no table of tensors.")
    return {name: value.float() for name, value in weights.items()}


def _set_dataset_norms(sae: SparseAutoEncoder, weights: dict[str, Tensor], path: Path) -> None:
    """Takes the dataset norms out of the weights; only a dataset-wise normalisation needs them."""
    norms = {name: float(weights.pop(name)) for name in list(weights) if name.startswith(DATASET_NORM)}
    if sae.config.norm_activation != "dataset-wise":
        return
    found = []
    for hook in (sae.hook_point_in, sae.hook_point_out):
        norm = norms.get(DATASET_NORM + hook, 0.0)
        if not 0 < norm < float("inf"):
            raise UserError(
                f"The weights {str(path)!r} have no positive {DATASET_NORM + hook!r}, which norm_activation "
                "'dataset-wise' needs."
            )
        found.append(norm)
    sae.set_dataset_norms(*found)


def _load(sae: SparseAutoEncoder, weights: Mapping[str, Tensor], path: Path, is_strict: bool) -> None:
    given = {name.removeprefix("activation_function."): value for name, value in weights.items()}
    expected = sae.state_dict()
    missing, unexpected = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if is_strict and (missing or unexpected):
        raise UserError(
            f"The weights {str(path)!r} do not fit their config.json: missing {missing}, not expected {unexpected}; "
            "`strict_loading = false` loads what fits."
        )
    for name, value in given.items():
        if name not in expected:
            continue
        if value.shape != expected[name].shape:
            raise UserError(
                f"The weights {str(path)!r} have {name} of shape {tuple(value.shape)} where config.json asks for "
                f"{tuple(expected[name].shape)}."
            )
        if not value.isfinite().all():
            raise UserError(f"The weights {str(path)!r} have a NaN or infinite value in {name}; the SAE is broken.")
    sae.load_state_dict({name: value for name, value in given.items() if name in expected}, strict=False)
