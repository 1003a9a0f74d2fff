"""Which paths lie on this machine's file system, and whether the others can be reached."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from upath import UPath

from sae_assets.settings.errors import UserError


def is_local(path: UPath | Path) -> bool:
    """Whether the path lies on this machine's file system, and not on `s3://` or the like."""
    return not isinstance(path, UPath) or path.protocol in ("", "file", "local")


def local_path(path: UPath | Path) -> Path:
    """The path for the operating system; `file:///data` is `/data`."""
    return Path(path.path if isinstance(path, UPath) else path)


@lru_cache
def named_folder(place: str) -> UPath:
    """The folder that a user names by a path or URL; it need not exist. What is not local must answer.

    Raises:
        UserError: the kind of URL is not known or its package not installed, or the other end does not let us in.
    """
    try:
        path = UPath(place)
        if not is_local(path):
            path.exists()
    except ImportError as error:
        raise UserError(
            f"The folder {place!r} needs a package that is not installed ({error}); for s3://, run "
            "`pip install 'sae-assets[s3]'`."
        ) from None
    except Exception as error:  # each kind of storage has its own
        raise UserError(f"The folder {place!r} cannot be reached: {str(error).rstrip('.')}.") from None
    return path


def from_anywhere(place: str) -> str:
    """A local path as a process with another working directory finds it; the name of something elsewhere as it is."""
    path = Path(place)
    return str(path.absolute()) if path.exists() else place
