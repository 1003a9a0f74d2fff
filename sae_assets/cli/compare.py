"""`sae-assets compare FIRST SECOND`: what became of the features of one checkpoint in another."""

from __future__ import annotations

import json
from typing import Annotated

import typer

N_SHOWN = 5
Name = Annotated[str, typer.Argument(help="The analysis, as SERIES/NAME or SERIES/NAME/ANALYSIS.")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    first: Name,
    second: Name,
    n_shown: Annotated[int, typer.Option("-n", min=0, help="Features to show of each kind of change.")] = N_SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all features.")] = False,
) -> None:
    """Compare two checkpoints on the same source: which features matched, moved, died or appeared."""
    from sae_assets.cli.comparison_view import comparison_json, print_comparison
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.engine.progress_bar import progress_bar
    from sae_assets.runners.comparable import comparable, finished_comparison
    from sae_assets.store.connection import connect

    data = default_data_folder()
    with connect(None, data) as store:
        # Mistakes, and what is there already, need no torch.
        comparison = finished_comparison(store, comparable(store, first, second))
        if comparison is None:
            from sae_assets.runners.compare import compare_checkpoints

            with progress_bar() as progress:
                comparison = compare_checkpoints(store, data, first, second, progress)
    if as_json:
        print(json.dumps(comparison_json(comparison), indent=2))
    else:
        print_comparison(comparison, n_shown)
