"""Which paths lie on this machine's file system."""

from __future__ import annotations

from pathlib import Path

from upath import UPath


def is_local(path: UPath | Path) -> bool:
    """Whether the path lies on this machine's file system, and not on `s3://` or the like."""
    return not isinstance(path, UPath) or path.protocol in ("", "file", "local")


def local_path(path: UPath | Path) -> Path:
    """The path for the operating system; `file:///data` is `/data`."""
    return Path(path.path if isinstance(path, UPath) else path)
