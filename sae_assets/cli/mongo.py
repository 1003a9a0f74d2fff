"""`sae-assets mongo`: the bundled MongoDB server of the data folder."""

from __future__ import annotations

import typer

from sae_assets.disk.layout import default_data_folder

app = typer.Typer(name="mongo", help="The bundled MongoDB server of the data folder.")


@app.command()
def status() -> None:
    """Say whether it runs, and where."""
    from sae_assets.store.server import server_status

    found = server_status(default_data_folder().mongo)
    print(f"It runs at {found.host}." if found else "It does not run; it starts by itself when it is needed.")


@app.command()
def stop() -> None:
    """Stop it. It starts again by itself when it is needed."""
    from sae_assets.store.server import stop_server

    print("It is stopped." if stop_server(default_data_folder().mongo) else "It did not run.")
