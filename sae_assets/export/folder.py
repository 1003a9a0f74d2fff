"""A folder that an export fills: it appears as a whole and replaces what the same export wrote before, nothing else."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sae_assets.disk.room import in_units
from sae_assets.settings.errors import UserError

MARKER = "export.json"
"""File of an exported folder that says what it holds and which files the export wrote."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    folder: Path
    """Where, as an absolute path."""
    analysis: str
    """The analysis, `series/name/analysis`."""
    counts: Mapping[str, int]
    """How many of what: "features", "samples"."""
    n_bytes: int
    """Size of the files."""

    @property
    def sentence(self) -> str:
        """`tiny/sae-l0/default: 64 features and 900 samples (1.2 MB) in '/tmp/out'.`"""
        *first, last = [f"{n:,} {noun}" for noun, n in self.counts.items()]
        counted = f"{', '.join(first)} and {last}" if first else last
        return f"{self.analysis}: {counted} ({in_units(self.n_bytes)}) in {str(self.folder)!r}."


def write_folder(folder: Path, kind: str, analysis: str, write: Callable[[Path], Mapping[str, int]]) -> Exported:
    """Has an export written beside the folder, then puts it in the folder's place.

    A run that fails or is killed leaves the folder as it was.

    Args:
        kind: which export: "parquet".
        analysis: what is exported, `series/name/analysis`.
        write: fills the empty folder that it is given, and says how many of what it wrote.

    Raises:
        UserError: the folder holds something else than an earlier run of this export of this analysis, cannot be
            replaced, or is being written by another process.
        OSError: it cannot be written.
    """
    folder = folder.resolve()
    part, old = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("part", "old"))
    with _alone_on(folder):
        if old.exists() and not folder.exists():  # a run was killed between the two renames
            old.rename(folder)
        _refuse_foreign(folder, kind, analysis)
        _discard(part)
        try:
            part.mkdir(parents=True)
            counts = write(part)
            files = _files_in(part)
            n_bytes = sum((part / file).stat().st_size for file in files)
            about = {"export": kind, "analysis": analysis, **counts, "files": files}
            (part / MARKER).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            _sync(part)
            _refuse_foreign(folder, kind, analysis)  # somebody may have put a file there meanwhile
            _discard(old)
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
            _discard(old)
        finally:
            _discard(part)
    return Exported(folder, analysis, counts, n_bytes)


@contextmanager
def _alone_on(folder: Path) -> Iterator[None]:
    """One export at a time writes a folder; a process that is killed holds nothing."""
    locks = Path(tempfile.gettempdir()) / f"sae-assets-{getpass.getuser()}"
    locks.mkdir(exist_ok=True)
    name = hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
    try:
        with FileLock(locks / f"export-{name}.lock", timeout=0):
            yield
    except Timeout:
        raise UserError(f"Another export is writing {str(folder)!r}; wait until it has ended.") from None


def _refuse_foreign(folder: Path, kind: str, analysis: str) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(f"{str(folder)!r} is a file; name a folder for the export.")
    if folder.is_mount() or folder.samefile(Path.cwd()):
        raise UserError(f"The folder {str(folder)!r} is in use and cannot be replaced; name a folder in it.")
    files = _files_in(folder)
    if not files:
        return
    before = _marker(folder)
    if before is None:
        raise UserError(
            f"The folder {str(folder)!r} holds files that no export wrote, such as {files[0]!r}; name another folder."
        )
    if (before.get("export"), before.get("analysis")) != (kind, analysis):
        raise UserError(
            f"The folder {str(folder)!r} holds the {before.get('export')} export of {before.get('analysis')!r}; name "
            "another folder, or delete it."
        )
    if foreign := sorted({*files} - {MARKER, *before.get("files", [])}):
        raise UserError(
            f"The folder {str(folder)!r} holds {foreign[0]!r}, which the export before did not write and a new one "
            "would delete; move it elsewhere."
        )


def _marker(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return about if isinstance(about, dict) and "export" in about else None


def _files_in(folder: Path) -> list[str]:
    """All files below the folder, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _sync(folder: Path) -> None:
    """Has the disk hold every file before the folder takes its place."""
    for file in _files_in(folder):
        descriptor = os.open(folder / file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
