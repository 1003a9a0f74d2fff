"""`sae-assets config`: an example of every settings file, its schema, and a check of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from sae_assets.settings import (
    AnalysisSettings,
    AnalyzeSAESettings,
    AutoInterpSettings,
    DirectLogitAttributeSettings,
    Settings,
)

app = typer.Typer(name="config", help="Print an example or the schema of a settings file, or check one.")

Kind = Literal["analyze", "dla", "interpret", "analysis"]
MODELS: dict[Kind, type[Settings]] = {
    "analyze": AnalyzeSAESettings,
    "dla": DirectLogitAttributeSettings,
    "interpret": AutoInterpSettings,
    "analysis": AnalysisSettings,
}
KindArgument = Annotated[
    Kind, typer.Argument(help="The command that reads the file; `analysis` is the analysis.toml beside a checkpoint.")
]


@app.command()
def example(kind: KindArgument = "analyze") -> None:
    """Print a settings file with every field, its meaning and its default."""
    from sae_assets.settings.example import example_toml

    print(example_toml(MODELS[kind]), end="")


@app.command()
def schema(kind: KindArgument = "analyze") -> None:
    """Print the JSON schema of a settings file, for editors."""
    print(json.dumps(MODELS[kind].model_json_schema(), indent=2))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings in TOML, YAML or JSON.")],
    kind: KindArgument = "analyze",
) -> None:
    """Check a settings file; a mistake is named with its line."""
    from sae_assets.settings.load import load_settings

    load_settings(file, MODELS[kind])
    print(f"{file} is a valid settings file of `{kind}`.")
