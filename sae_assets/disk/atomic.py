"""Files that are whole or not there: written beside their place, synced, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from upath import UPath


def is_local(path: UPath | Path) -> bool:
    """Whether the path lies on this machine's file system, and not on `s3://` or the like."""
    return not isinstance(path, UPath) or path.protocol in ("", "file", "local")


@contextmanager
def atomic_write(path: UPath | Path) -> Iterator[Path]:
    """Gives a local path to write to; on leaving without an error, the file appears under `path` at once.

    Its folder is made where it is missing. After an error nothing is left. On an object store, the upload is what is
    atomic.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    if not is_local(path):
        with TemporaryDirectory() as folder:
            local = Path(folder) / "file"
            yield local
            with local.open("rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        return
    final = Path(str(path))
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
        _sync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def discard_leftovers(folder: UPath | Path) -> None:
    """Removes what killed writers left in a local folder; only for a caller that keeps others from writing there."""
    if is_local(folder):
        for leftover in Path(str(folder)).glob(".*.tmp"):
            leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: UPath | Path, value: Any) -> None:
    """Writes a JSON file atomically, keys in their order, indented for people."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
