"""The files of checkpoints, JSON and tables of tensors: no code in them is run, what is damaged is one sentence."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from sae_assets.settings.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UserError: it is missing, or is no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"The checkpoint {str(path.parent)!r} is incomplete: it has no {path.name}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"The checkpoint's {str(path)!r} is damaged: it is not valid JSON.") from error
    if not isinstance(values, dict):
        raise UserError(f"The checkpoint's {str(path)!r} is not usable: it holds no JSON object.")
    return values


def peek_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, to recognise a format by; empty where there is none. Never raises."""
    try:
        return read_json(path)
    except (UserError, OSError):
        return {}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a `.safetensors` file, or of one that `torch.save` wrote, in float32.

    Raises:
        UserError: the file is damaged, or holds more than a table of tensors, whose code is never run.
    """
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise _damaged(path) from error
    except Exception as error:  # torch.load raises pickle.UnpicklingError and others for what it refuses to unpickle
        raise UserError(f"The weights {str(path)!r} are no plain tensors; only these are loaded.") from error
    if isinstance(weights, dict) and isinstance(weights.get("sae"), dict):
        weights = weights["sae"]
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise UserError(f"The weights {str(path)!r} are no table of tensors.")
    return {name: value.float() for name, value in weights.items()}


def check_whole(path: Path) -> None:
    """Refuses a weight file that is cut short, as one is that is still being written. Reads little of it.

    Raises:
        UserError: it is damaged.
    """
    if path.suffix == ".safetensors":
        try:
            # The header names the size of every tensor, so a file that is cut short does not open.
            with safe_open(path, framework="pt"):
                return
        except (SafetensorError, OSError) as error:
            raise _damaged(path) from error
    # `.npz` and what `torch.save` writes are zip files, whose table of contents is at their end.
    if zipfile.is_zipfile(path):
        return
    if path.suffix == ".npz":
        raise _damaged(path)
    read_tensors(path)  # an old file of `torch.save`, which is none


def check_shapes(weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Refuses weights that the arithmetic of a format cannot be done on.

    Raises:
        UserError: a tensor is missing or has another shape than its config asks for.
    """
    missing = sorted(shapes.keys() - weights.keys())
    if missing:
        raise UserError(f"The weights {str(path)!r} are incomplete: {missing} are missing beside {sorted(weights)}.")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise UserError(
                f"The weights {str(path)!r} have {name} of shape {tuple(weights[name].shape)} where the checkpoint's "
                f"config asks for {shape}."
            )


def _damaged(path: Path) -> UserError:
    return UserError(f"The weights {str(path)!r} are damaged and cannot be read; copy them again.")
