"""`sae-assets list` and `sae-assets show feature`: what the store holds, in the terminal or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

show = typer.Typer(name="show", help="Show what is known about a feature.")

N_SAMPLES = 5
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("list")(list_checkpoints)
    app.add_typer(show)


def list_checkpoints(as_json: Json = False) -> None:
    """List the checkpoints in the store."""
    from sae_assets.cli.tables import checkpoint_table
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.store.connection import connect
    from sae_assets.store.lookup import checkpoints

    with connect(None, default_data_folder()) as store:
        rows = checkpoints(store)
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2, default=str))
    else:
        checkpoint_table(rows)


@show.command("feature")
def show_feature(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The checkpoint, as NAME or SERIES/NAME.")],
    index: Annotated[int, typer.Argument(metavar="INDEX", help="The feature.")],
    series: Annotated[str | None, typer.Option(help="Series, where several have a checkpoint of this name.")] = None,
    analysis: Annotated[str, typer.Option(help="Name of the analysis.")] = "default",
    n_samples: Annotated[int, typer.Option("-n", min=0, help="Contexts to show of each subsample.")] = N_SAMPLES,
    as_json: Json = False,
) -> None:
    """Show on which contexts a feature activates, which tokens it promotes, and its explanation."""
    from sae_assets.cli.feature_view import feature_json, print_feature
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.store.connection import connect
    from sae_assets.store.lookup import find_analysis
    from sae_assets.store.reading import read_feature

    with connect(None, default_data_folder()) as store:
        found = find_analysis(store, name, series, analysis)
        feature = read_feature(store, found.sae.id, analysis, index)
    if as_json:
        print(json.dumps(feature_json(found, feature, n_samples), indent=2, ensure_ascii=False))
    else:
        print_feature(found, feature, n_samples)
