"""Reads the arrays of an `.npz` file, with one sentence for what is damaged. Runs no code in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sae_assets.settings.errors import UserError


def read_arrays(path: Path, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """The arrays of an `.npz` file in float32: all of them, or those of these names that are there, and no others.

    Raises:
        UserError: the file is damaged, or holds more than arrays of numbers, whose code is never run.
    """
    try:
        # Of a file that is no archive, this gives an array, or raises ValueError because it would have to be unpickled.
        archive = np.load(path, allow_pickle=False)
        with archive:
            known = archive.files if names is None else [name for name in names if name in archive.files]
            return {name: torch.from_numpy(archive[name]).float() for name in known}
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"The weights {str(path)!r} are no plain arrays; only these are loaded.") from error
    except (
        Exception
    ) as error:  # zipfile, zlib and numpy raise many kinds of errors for what is cut short or overwritten
        raise UserError(f"The weights {str(path)!r} are damaged and cannot be read; copy them again.") from error
