"""Where everything lies in the data folder (DESIGN 7)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from upath import UPath

from sae_assets.disk.local import is_local, local_path, named_folder
from sae_assets.settings.errors import UserError


def checked_name(name: str, kind: str) -> str:
    """The name, once it is sure that it is safe as one folder of a path.

    Raises:
        UserError: it is empty, has a slash or a backslash, begins with a dot, or holds other than printable text.
    """
    if not re.fullmatch(r"[^\W_]([\w.+=@-]|(?<!\.) )*", name) or ".." in name or name.endswith((" ", ".")):
        raise UserError(
            f"The {kind} {name!r} cannot be used as a folder; begin with a letter or a digit and use letters, digits, "
            "'.', '_', '-', '+', '=' and '@' only."
        )
    return name


def checked_key(key: str) -> tuple[str, str]:
    """The series and the name out of a partition key `series/name`.

    Raises:
        UserError: the key does not have these two parts, or one of them is unsafe as a folder.
    """
    parts = key.split("/")
    if len(parts) != 2:
        raise UserError(f"The checkpoint key {key!r} must be 'series/name', for example 'demo/smollm2-l10'.")
    return checked_name(parts[0], "series"), checked_name(parts[1], "checkpoint name")


@dataclass(frozen=True)
class SourceFolder:
    """The folder of one activation source."""

    path: UPath
    """`<data>/sources/<fingerprint>`."""

    @property
    def source_json(self) -> UPath:
        """All that the fingerprint hashes."""
        return self.path / "source.json"

    @property
    def contexts(self) -> UPath:
        """The contexts: text, token ids, character ranges, masks."""
        return self.path / "contexts.parquet"

    def chunks(self, hook_point: str) -> UPath:
        """The folder of the activation chunks of a hook point."""
        return self.path / "chunks" / hook_point


@dataclass(frozen=True)
class CheckpointFolder:
    """The folder of one analysis of one checkpoint."""

    path: UPath
    """`<data>/checkpoints/<series>/<name>/<analysis>`."""

    @property
    def summaries(self) -> UPath:
        """Statistics and samples, one row a feature."""
        return self.path / "summaries.parquet"

    @property
    def contexts(self) -> UPath:
        """The contexts of all samples; only where results are read without a store."""
        return self.path / "contexts.parquet"

    @property
    def logits(self) -> UPath:
        """Direct logit attribution, one row a feature."""
        return self.path / "logits.parquet"

    @property
    def explanations(self) -> UPath:
        """Explanations and their scores, one row a feature."""
        return self.path / "explanations.parquet"

    def explanation_report(self, suffix: Literal["json", "md"]) -> UPath:
        """Means, spreads and costs of the explanations, for programs and for people."""
        return self.path / f"explanation_report.{suffix}"


@dataclass(frozen=True)
class DataFolder:
    """The root under which all results and caches lie."""

    root: UPath
    """A local folder or a path such as `s3://bucket/prefix`."""

    @property
    def sources(self) -> UPath:
        """The activation sources, a folder each, named by fingerprint."""
        return self.root / "sources"

    def source(self, fingerprint: str) -> SourceFolder:
        """The folder of the activation source with this fingerprint."""
        return SourceFolder(self.sources / fingerprint)

    def checkpoint(
        self, series: str, name: str, analysis: str = "default", output_dir: str | None = None
    ) -> CheckpointFolder:
        """The folder of an analysis: `output_dir` where given; else the names are checked and become a path.

        Raises:
            UserError: `output_dir` cannot be reached, or a name cannot be that of a folder.
        """
        if output_dir is not None:
            return CheckpointFolder(named_folder(output_dir))
        parts = (
            checked_name(series, "series"),
            checked_name(name, "checkpoint name"),
            checked_name(analysis, "analysis name"),
        )
        return CheckpointFolder(self.root.joinpath("checkpoints", *parts))

    @property
    def answers(self) -> Path:
        """The answers of language models, for all runs; with a data folder elsewhere, in the user's cache folder."""
        return self._on_this_machine / "answers.sqlite"

    @property
    def batches(self) -> Path:
        """Which batches of questions are under way; beside the answers."""
        return self._on_this_machine / "batches.sqlite"

    @property
    def _on_this_machine(self) -> Path:
        """Where files that are written in place may lie: no database works on `s3://`."""
        if is_local(self.root):
            return local_path(self.root)
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sae-assets"

    @property
    def mongo(self) -> Path:
        """The folder of the bundled MongoDB server.

        Raises:
            UserError: the data folder is not on this machine.
        """
        if not is_local(self.root):
            raise UserError(
                f"The bundled MongoDB needs a local data folder and {self.root} is none; "
                "set `mongo_uri` (or MONGO_URI)."
            )
        return local_path(self.root) / "mongo"


def data_folder(place: str) -> DataFolder:
    """The data folder at a path or URL that a user names.

    Raises:
        UserError: it cannot be reached.
    """
    return DataFolder(named_folder(place).absolute())


def default_data_folder() -> DataFolder:
    """The data folder that `SAE_ASSETS_DATA` names, else `data` in the working directory."""
    return data_folder(os.environ.get("SAE_ASSETS_DATA") or "data")
