"""How much fits on a disk, and what is said where something does not."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from upath import UPath

from sae_assets.disk.local import is_local, local_path
from sae_assets.settings.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class FullDiskError(UserError):
    """Something does not fit on the disk; nothing half-written is left of it."""


def is_full(error: OSError) -> bool:
    """Whether this says that a disk is full, or that a quota is used up."""
    return error.errno in _FULL


def free_bytes(path: UPath | Path) -> int | None:
    """What still fits on the disk of a path, which need not exist yet; None where that is not known."""
    if not is_local(path):
        return None
    place = local_path(path).absolute()
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    return usage.free if usage.total else None  # a mounted object store may know of no size


def in_units(n_bytes: int) -> str:
    """A size for people: `1.5 GB`, `20.0 MB`, `3.1 kB`."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e3:.1f} kB"
