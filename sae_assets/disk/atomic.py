"""Files that are whole or not there: written beside their place, synced, then renamed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from upath import UPath

from sae_assets.disk.local import is_local, local_path
from sae_assets.disk.room import FullDiskError, free_bytes, in_units, is_full


@contextmanager
def atomic_write(path: UPath | Path) -> Iterator[Path]:
    """Gives a local path to write to; on leaving without an error, the file appears under `path` at once.

    Its folder is made where it is missing. After an error nothing is left. On an object store, the upload is what is
    atomic.

    Raises:
        FullDiskError: the file does not fit on the disk.
        OSError: the folder cannot be written.
    """
    if is_local(path):
        with _written_beside(local_path(path), path) as temporary:
            yield temporary
        return
    with TemporaryDirectory() as folder:
        with _written_beside(Path(folder) / "file", path) as temporary:
            yield temporary
        with (Path(folder) / "file").open("rb") as source, path.open("wb") as target:
            shutil.copyfileobj(source, target)


@contextmanager
def _written_beside(final: Path, path: UPath | Path) -> Iterator[Path]:
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
        _sync_folder(final.parent)
    except OSError as error:
        if not is_full(error):
            raise
        n_written = temporary.stat().st_size if temporary.exists() else 0
        temporary.unlink(missing_ok=True)
        raise FullDiskError(
            f"The disk is full: the file {str(path)!r} did not fit, of which {in_units(n_written)} were written, and "
            f"{in_units(free_bytes(final.parent) or 0)} are free in {str(final.parent)!r}; make room and run again."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def begin_sync(file: BufferedWriter, offset: int) -> None:
    """Has the disk begin with what was written from `offset` on, so that less is left to wait for in the end."""
    file.flush()
    if hasattr(os, "posix_fadvise"):  # Linux, which writes back what it is told to drop, and drops none of it yet
        os.posix_fadvise(file.fileno(), offset, 0, os.POSIX_FADV_DONTNEED)


def discard_leftovers(folder: UPath | Path) -> None:
    """Removes what killed writers left in a local folder; only for a caller that keeps others from writing there."""
    if is_local(folder):
        for leftover in local_path(folder).glob(".*.tmp"):
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
