"""`sae-assets demo`: what the quick start needs besides its packages, and a look at what came of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

N_SAMPLES = 2
FEATURES = (2758, 3161, 3450)
"""Features of the demo's checkpoint that are easy to understand."""


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    preview: Annotated[bool, typer.Option("--preview", help="Show three features of the analysed checkpoint.")] = False,
) -> None:
    """Prepare the demo's language model, text and checkpoint in this folder."""
    if preview:
        _preview()
        return
    from sae_assets.demo.prepare import prepare_demo
    from sae_assets.engine.progress_bar import progress_bar

    with progress_bar() as progress:
        folder = prepare_demo(Path(os.environ.get("SAE_ASSETS_CHECKPOINTS", "checkpoints")), progress)
    print(f"The demo's checkpoint lies in {folder}, its settings in {folder.parent / 'analysis.toml'}.")


def _preview() -> None:
    from sae_assets.cli.checkpoints import show_feature
    from sae_assets.demo.settings import NAME, SERIES

    for index in FEATURES:
        show_feature(f"{SERIES}/{NAME}", index, n_samples=N_SAMPLES)
    print(
        "\nLook at all of them:    .venv/bin/sae-assets serve, then http://localhost:3001\n"
        "With the Dagster UI:    make dev, then http://localhost:3000"
    )
