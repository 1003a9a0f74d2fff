"""`sae-assets list` and `sae-assets show feature`: what the store holds, in the terminal or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

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
    whole_story: Annotated[
        bool,
        typer.Option(
            "--explanation",
            help="Show how the explanation came about instead: scores, what its judge got wrong, prompt, answer, cost, "
            "and the explanations before.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show on which contexts a feature activates, which tokens it promotes, and its explanation."""
    from sae_assets.cli.explanation_view import print_story, story_json
    from sae_assets.cli.feature_view import feature_json, print_feature
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.runners.explanation_story import read_story
    from sae_assets.store.connection import connect
    from sae_assets.store.failures import failures_of
    from sae_assets.store.lookup import find_analysis
    from sae_assets.store.reading import read_feature

    with connect(None, default_data_folder()) as store:
        found = find_analysis(store, name, series, analysis)
        feature = read_feature(store, found.sae.id, analysis, index)
        story = read_story(store, found, feature) if whole_story else None
        failures = failures_of(store, found.sae.id, analysis, [index]) if feature.explanation is None else []
    if story is not None and as_json:
        _print_json(story_json(found, index, story))
    elif story is not None:
        print_story(found, index, story)
    elif as_json:
        _print_json(feature_json(found, feature, n_samples))
    else:
        print_feature(found, feature, n_samples, failures[0] if failures else None)


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
