"""`sae-assets analyze|dla|interpret FILE`: the three runs, from their settings files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sae_assets.settings import AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings
from sae_assets.settings.load import load_settings

SettingsFile = Annotated[Path, typer.Argument(metavar="FILE", help="Settings in TOML, YAML or JSON.")]
SettingsFiles = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Settings in TOML, YAML or JSON, a file for each checkpoint.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (analyze, dla, interpret):
        app.command()(command)


def analyze(files: SettingsFiles) -> None:
    """Find the contexts on which every feature activates (`analyze_sae`); several checkpoints share what they can."""
    every = [load_settings(file, AnalyzeSAESettings) for file in files]
    from sae_assets.runners.analyze import analyze_saes

    for settings, found in zip(every, analyze_saes(every), strict=True):
        asked = settings.analyzer.total_analyzing_tokens
        short = f" (asked for {asked:,}; the datasets hold no more)" if found.n_analyzed_tokens < asked else ""
        print(
            f"{settings.sae_series}/{settings.sae_name}: {found.n_alive:,} of {found.d_sae:,} features are alive on "
            f"{found.n_analyzed_tokens:,} tokens{short}, L0 {found.l0:.1f}."
        )


def dla(file: SettingsFile) -> None:
    """Find the output tokens that every feature promotes (`direct_logit_attribute`)."""
    settings = load_settings(file, DirectLogitAttributeSettings)
    from sae_assets.runners.logits import direct_logit_attribute

    logits = direct_logit_attribute(settings)
    print(f"{settings.sae_series}/{settings.sae_name}: logits of {len(logits.maximum):,} features ({logits.variant}).")


def interpret(file: SettingsFile) -> None:
    """Explain features by a language model and score the explanations (`auto_interp`)."""
    settings = load_settings(file, AutoInterpSettings)
    from sae_assets.runners.interpret import auto_interp

    report = auto_interp(settings)
    print(f"{settings.sae_series}/{settings.sae_name}: {report.sentence}")
