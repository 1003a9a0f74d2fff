"""`sae-assets analyze|dla|interpret FILE`: the three runs, from their settings files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from sae_assets.settings import AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings, UserError
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
    from sae_assets.dictionary.checkpoint import checkpoint_format
    from sae_assets.runners.analyze import analyze_saes

    for settings, found in zip(every, analyze_saes(every), strict=True):
        asked = settings.analyzer.total_analyzing_tokens
        short = f" (asked for {asked:,}; the datasets hold no more)" if found.n_analyzed_tokens < asked else ""
        its_format = checkpoint_format(settings.sae)
        print(
            f"{settings.sae_series}/{settings.sae_name}: {found.n_alive:,} of {found.d_sae:,} features are alive on "
            f"{found.n_analyzed_tokens:,} tokens{short}, L0 {found.l0:.1f}; its format is {its_format}."
        )


def dla(file: SettingsFile) -> None:
    """Find the output tokens that every feature promotes (`direct_logit_attribute`)."""
    settings = load_settings(file, DirectLogitAttributeSettings)
    from sae_assets.runners.logits import direct_logit_attribute

    logits = direct_logit_attribute(settings)
    print(f"{settings.sae_series}/{settings.sae_name}: logits of {len(logits.maximum):,} features ({logits.variant}).")


def interpret(
    file: SettingsFile,
    features: Annotated[
        str | None,
        typer.Option(metavar="TERMS", help="Features to explain: '0-499, alive, density 1e-5..1e-2, sample 200'."),
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="End when this much is spent; what is done is stored.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="End when this many tokens are paid for.")] = None,
    max_workers: Annotated[int | None, typer.Option(help="Features to explain at a time.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost and ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain features by a language model and score the explanations (`auto_interp`); flags count before the file."""
    flags = {"features": features, "max_cost": max_cost, "max_tokens": max_tokens, "max_workers": max_workers}
    settings = with_flags(load_settings(file, AutoInterpSettings), flags)
    if dry_run:
        from sae_assets.cli.interpretation_view import estimate_json, print_estimate
        from sae_assets.runners.interpretation_estimate import estimate_cost

        estimate = estimate_cost(settings)
        print(json.dumps(estimate_json(estimate), indent=2)) if as_json else print_estimate(estimate)
        return
    from sae_assets.cli.interpretation_view import print_failures, print_scores, report_json
    from sae_assets.disk.layout import default_data_folder
    from sae_assets.runners.interpret import auto_interp

    report = auto_interp(settings)
    if as_json:
        print(json.dumps(report_json(report), indent=2))
    else:
        print(f"{settings.sae_series}/{settings.sae_name}: {report.sentence}")
        print_failures(report.failures)
        print_scores(default_data_folder().checkpoint(settings.sae_series, settings.sae_name, settings.analysis_name))


def with_flags(settings: AutoInterpSettings, flags: dict[str, Any]) -> AutoInterpSettings:
    """The settings with what the command line sets in place of what the file says.

    Raises:
        UserError: a flag's value is not one that the setting of its name may have.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return AutoInterpSettings.model_validate(settings.model_dump() | given)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        flag = str(mistake["loc"][0]).replace("_", "-")
        message = mistake["msg"].removeprefix("Value error, ")
        raise UserError(f"--{flag}: {message[:1].lower() + message[1:]}.") from None
