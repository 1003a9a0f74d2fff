"""`sae-assets export parquet|html|neuronpedia|llamascope NAME FOLDER`: results as files for programs and people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sae_assets.engine.progress import Progress
    from sae_assets.export.folder import Exported
    from sae_assets.store.connection import Store
    from sae_assets.store.lookup import FoundAnalysis

app = typer.Typer(name="export", help="Write results as files; running it again replaces what it wrote.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The checkpoint, as NAME or SERIES/NAME.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; new, empty, or of an earlier run.")]
Series = Annotated[str | None, typer.Option(help="Series, where several have a checkpoint of this name.")]
Analysis = Annotated[str, typer.Option(help="Name of the analysis.")]


@app.command()
def parquet(name: Name, folder: Folder, series: Series = None, analysis: Analysis = "default") -> None:
    """Features, samples and neighbours as Parquet, for SQL (DuckDB), polars and pandas."""
    from sae_assets.export.parquet import export_parquet

    with _opened(name, series, analysis) as (store, found):
        _run(lambda progress: export_parquet(store, found, folder, progress))


@app.command()
def html(
    name: Name,
    folder: Folder,
    series: Series = None,
    analysis: Analysis = "default",
    features: Annotated[
        str | None,
        typer.Option(metavar="TERMS", help="'0-99, alive, density 1e-5..1e-2, sample 50'; else 'sample 50'."),
    ] = None,
    list_name: Annotated[str | None, typer.Option("--list", metavar="NAME", help="The features of this list.")] = None,
) -> None:
    """Some features as one page to send to somebody: no script, and nothing asked of any server."""
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.export.html import chosen_features, export_html

    with _opened(name, series, analysis) as (store, found):
        chosen = chosen_features(store, found, features, list_name)
        _run(lambda progress: export_html(store, default_data_folder(), found, chosen, folder, progress))


@app.command()
def neuronpedia(
    name: Name,
    folder: Folder,
    series: Series = None,
    analysis: Analysis = "default",
    model_id: Annotated[str | None, typer.Option(help="The model's name on Neuronpedia: 'gemma-2-2b'.")] = None,
    source_set: Annotated[str | None, typer.Option(help="Source set, without the layer: 'res-16k'.")] = None,
    layer: Annotated[int | None, typer.Option(min=0, help="Layer, where the hook point does not say it.")] = None,
    release: Annotated[str | None, typer.Option(help="Release that the source set belongs to.")] = None,
    creator: Annotated[str | None, typer.Option(help="Who made it, as Neuronpedia shows it.")] = None,
) -> None:
    """What Neuronpedia imports, in FOLDER/MODEL/LAYER-SET; names that are left out come from the checkpoint."""
    from sae_assets.export.neuronpedia import export_neuronpedia
    from sae_assets.export.neuronpedia_source import NeuronpediaNames

    names = NeuronpediaNames(model_id, source_set, layer, release, creator)
    with _opened(name, series, analysis) as (store, found):
        _run(lambda progress: export_neuronpedia(store, found, folder, names, progress))


@app.command()
def llamascope(name: Name, folder: Folder, series: Series = None, analysis: Analysis = "default") -> None:
    """The Arrow columns of LlamaScope 2, which a converter of Neuronpedia takes."""
    from sae_assets.export.llamascope import export_llamascope

    with _opened(name, series, analysis) as (store, found):
        _run(lambda progress: export_llamascope(store, found, folder, progress))


@contextmanager
def _opened(name: str, series: str | None, analysis: str) -> Iterator[tuple[Store, FoundAnalysis]]:
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.store.connection import connect
    from sae_assets.store.lookup import find_analysis

    with connect(None, default_data_folder()) as store:
        yield store, find_analysis(store, name, series, analysis)


def _run(export: Callable[[Progress], Exported]) -> None:
    """Exports with a progress bar, and says what was written where."""
    from sae_assets.engine.progress_bar import progress_bar

    with progress_bar() as progress:
        exported = export(progress)
    print(exported.sentence)
