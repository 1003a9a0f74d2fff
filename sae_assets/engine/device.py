"""Devices that tensors can be put on."""

from __future__ import annotations

import torch

from sae_assets.settings.errors import UserError


def checked_device(name: str) -> torch.device:
    """The device of this name, once it is sure that this machine has it.

    Raises:
        UserError: there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"Unknown device {name!r}; use 'cpu', 'cuda', 'cuda:0' or 'mps'.") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UserError(f"The device {name!r} does not exist: {found} GPUs were found here; set `device` to 'cpu'.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("The device 'mps' does not exist here; set `device` to 'cpu'.")
    return device
