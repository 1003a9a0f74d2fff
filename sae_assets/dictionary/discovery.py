"""Which checkpoints lie under a root folder, `<root>/<series>/<name>/`, and whether they are complete."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sae_assets.dictionary.formats.files import check_whole
from sae_assets.dictionary.locate import locate
from sae_assets.disk.layout import checked_key
from sae_assets.settings.errors import UserError, unknown


class FoundCheckpoint(NamedTuple):
    """A folder that is, or becomes, a checkpoint."""

    key: str
    """`series/name`, the key of its partition."""
    folder: Path
    """Where it lies."""

    @property
    def n_bytes(self) -> int:
        """Size of all its files; grows while it is being written."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    def problem(self) -> str | None:
        """Why it cannot be analysed (yet), as a sentence; None where config and weights can be read."""
        try:
            located = locate(str(self.folder))
            located.format.config(located.folder)
            check_whole(located.weights)
        except UserError as error:
            return str(error)
        return None


def find_checkpoints(roots: Iterable[Path]) -> list[FoundCheckpoint]:
    """The folders two levels below the roots whose names can be a partition's key, in alphabetical order.

    The first root that has a key wins.
    """
    found: dict[str, FoundCheckpoint] = {}
    for root in roots:
        for folder in sorted(root.glob("*/*/")):
            key = f"{folder.parent.name}/{folder.name}"
            if key not in found and _is_key(key):
                found[key] = FoundCheckpoint(key, folder)
    return [found[key] for key in sorted(found)]


def checkpoint_folder(roots: Iterable[Path], key: str) -> Path:
    """The folder of the checkpoint with this key.

    Raises:
        UserError: the key is no `series/name`, or no root has such a folder; the nearest is named.
    """
    series, name = checked_key(key)
    roots = list(roots)
    for root in roots:
        if (root / series / name).is_dir():
            return root / series / name
    known = [checkpoint.key for checkpoint in find_checkpoints(roots)]
    raise unknown("checkpoint", key, known, where=f"the checkpoint root {', '.join(map(str, roots))}")


def _is_key(key: str) -> bool:
    try:
        checked_key(key)
    except UserError:
        return False
    return True
