"""Puts the demo's parts where its settings look for them: model, text, checkpoint and `analysis.toml`."""

from __future__ import annotations

import shutil
from pathlib import Path

from sae_assets.demo.corpus import prepare_corpus
from sae_assets.demo.model import prepare_model
from sae_assets.demo.settings import CHECKPOINT, NAME, SERIES, SETTINGS_FILE, model_folder, speeches_file
from sae_assets.engine.progress import Progress, silent


def prepare_demo(root: Path, progress: Progress = silent) -> Path:
    """Prepares what is missing and returns the checkpoint's folder, `<root>/demo/smollm2-l10`.

    Files that are there are left as they are, also an `analysis.toml` that was edited.

    Args:
        root: the checkpoint root.

    Raises:
        UserError: a package of the demo is not installed.
    """
    prepare_model(model_folder(), progress)
    prepare_corpus(speeches_file())
    folder = root / SERIES / NAME
    if not folder.exists():
        temporary = folder.with_name(f".{NAME}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(CHECKPOINT, temporary)
        temporary.rename(folder)
    settings = root / SERIES / SETTINGS_FILE.name
    if not settings.exists():
        shutil.copyfile(SETTINGS_FILE, settings)
    return folder
