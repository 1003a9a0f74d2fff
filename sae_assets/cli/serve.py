"""`sae-assets serve`: the web UI and its API."""

from __future__ import annotations

from typing import Annotated

import typer

PORT = 3001


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; any but the loopback should have a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free one.")] = PORT,
    token: Annotated[
        str | None,
        typer.Option(envvar="SAE_ASSETS_TOKEN", help="What clients must know; better given by the environment."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A further name by which the server is reached.")
    ] = None,
    embedding_model: Annotated[
        str | None,
        typer.Option(
            envvar="SAE_ASSETS_EMBEDDING_MODEL", help="Model for search by meaning, at an OpenAI-compatible endpoint."
        ),
    ] = None,
) -> None:
    """Look at features in a browser, and serve the API.

    The data is that of SAE_ASSETS_DATA; links lead to the Dagster of SAE_ASSETS_DAGSTER_URL.
    """
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.settings.embedding import EmbeddingConfig
    from sae_assets.web.security import Access
    from sae_assets.web.server import serve as serve_on

    access = Access.of(host, tuple(allow_host or ()), token)
    embedding = EmbeddingConfig(model=embedding_model) if embedding_model else EmbeddingConfig()
    serve_on(host, port, access, default_data_folder(), embedding)
