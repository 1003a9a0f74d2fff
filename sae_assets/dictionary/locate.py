"""Where a checkpoint lies: its folder, its weight file and its format, on disk or fetched from the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from sae_assets.dictionary.formats import FORMATS, format_of
from sae_assets.dictionary.formats.checkpoint_format import CheckpointFormat
from sae_assets.dictionary.formats.saelens import SAELENS, SAELens
from sae_assets.dictionary.formats.saelens_releases import release_of
from sae_assets.settings.errors import UserError, nearest


class LocatedCheckpoint(NamedTuple):
    """A checkpoint that is there."""

    folder: Path
    """Its folder."""
    weights: Path
    """The file of its weights."""
    format: CheckpointFormat
    """What reads it."""
    corrections: Mapping[str, Any] = MappingProxyType({})
    """What a release puts in place of fields of its config; part of its identity."""

    @property
    def files(self) -> list[Path]:
        """What decides it: its config, where it has one, and its weights."""
        name = self.format.config_name
        return [self.folder / name, self.weights] if name else [self.weights]

    @property
    def about(self) -> Path:
        """The file that says what it is."""
        return self.files[0]


def locate(name_or_path: str, revision: str | None = None) -> LocatedCheckpoint:
    """A checkpoint by its folder or weight file, its `repo_id` or `repo_id:folder` on the hub, or its SAELens release.

    Args:
        name_or_path: what names it; what is on disk wins over the Hugging Face hub.
        revision: commit, tag or branch on the hub; the newest of the main branch where not given.

    Raises:
        UserError: nothing is there (the nearest sibling is named), its format is not known, or it has no weights.
    """
    path = Path(name_or_path)
    if path.is_file():
        folder = path.parent.parent if path.parent.name == "checkpoints" else path.parent
        return LocatedCheckpoint(folder, path, format_of(folder))
    if path.is_dir():
        return _in_folder(path)
    if release := release_of(name_or_path):
        located = _in_folder(_download(name_or_path, release.repo_id, release.path, revision))
        if located.format is SAELENS:
            return located._replace(format=SAELens(release.overrides), corrections=release.overrides)
        return located
    repo_id, _, inside = name_or_path.partition(":")
    # What lies beside something local is a mistyped path, and not asked for on the hub.
    if Path(repo_id).exists() or (not inside and path.parent.is_dir()):
        raise _missing(name_or_path)
    return _in_folder(_download(name_or_path, repo_id, inside, revision))


def _in_folder(folder: Path) -> LocatedCheckpoint:
    checkpoint_format = format_of(folder)
    for name in checkpoint_format.weight_names:
        if (folder / name).is_file():
            return LocatedCheckpoint(folder, folder / name, checkpoint_format)
    raise UserError(
        f"The checkpoint {str(folder)!r} is incomplete: it has no weights such as {checkpoint_format.weight_names[0]} "
        f"({checkpoint_format.name})."
    )


def _download(name: str, repo_id: str, inside: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    prefix = f"{inside}/" if inside not in ("", ".") else ""
    names = {each for known in FORMATS for each in (known.config_name, *known.weight_names) if each}
    place = f"the revision {revision!r} of {repo_id!r}" if revision else repr(repo_id)
    try:
        root = snapshot_download(repo_id, revision=revision, allow_patterns=[prefix + each for each in sorted(names)])
    except HFValidationError as error:
        raise _missing(name) from error
    except (HfHubHTTPError, OSError) as error:
        raise UserError(
            f"The checkpoint {name!r} is not here, and {place} cannot be fetched from the Hugging Face hub."
        ) from error
    folder = Path(root) / inside
    if not folder.is_dir():
        raise UserError(f"There is no checkpoint {name!r}: {place} on the Hugging Face hub has no folder {inside!r}.")
    return folder


def _missing(name: str) -> UserError:
    parent = Path(name).parent
    siblings = [child.name for child in parent.iterdir() if child.is_dir()] if parent.is_dir() else []
    closest = nearest(Path(name).name, siblings)
    advice = f"; the nearest beside it is {closest!r}" if closest else ""
    return UserError(f"There is no checkpoint {name!r}: neither a folder, a weight file nor `repo_id:folder`{advice}.")
