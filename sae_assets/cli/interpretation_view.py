"""What became of a run that explains features, or would become of it, on the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sae_assets.cli.tables import PIPED_WIDTH
from sae_assets.disk.layout import CheckpointFolder
from sae_assets.interpretation.amounts import dollars
from sae_assets.interpretation.bootstrap import Mean
from sae_assets.interpretation.records import FailedExplanation
from sae_assets.interpretation.report_text import mean_text
from sae_assets.runners.interpretation_estimate import InterpretationEstimate
from sae_assets.runners.interpretation_report import InterpretationReport

N_SHOWN = 5
"""Features that are named of each reason."""


def print_failures(failures: Sequence[FailedExplanation]) -> None:
    """Prints why features could not be explained, the most frequent reason first, with the first features of each."""
    indices: dict[str, list[int]] = {}
    for failure in failures:
        indices.setdefault(failure.reason, []).append(failure.index)
    if not indices:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("failed", justify="right")
    table.add_column("features", overflow="fold")
    table.add_column("reason", overflow="fold")
    for reason, those in sorted(indices.items(), key=lambda item: (-len(item[1]), min(item[1]))):
        first = ", ".join(str(index) for index in sorted(those)[:N_SHOWN])
        table.add_row(f"{len(those):,}", f"{first}, ..." if len(those) > N_SHOWN else first, Text(reason))
    _console().print(table)
    if any(failure.answer for failure in failures):
        print("What was answered: `sae-assets show feature NAME INDEX --explanation`.")


def print_scores(folder: CheckpointFolder) -> None:
    """Prints the mean of each score over all explanations of the analysis, and where its report lies."""
    scorers = json.loads(folder.explanation_report("json").read_text(encoding="utf-8"))["scorers"]
    means = [f"{one['scorer']} {mean_text(Mean(**one['mean']))}" for one in scorers if one["mean"]]
    if means:
        print(f"Means with 95 % intervals over all explanations: {', '.join(means)}.")
        print(f"More is in {folder.explanation_report('md')}")


def report_json(report: InterpretationReport) -> dict[str, Any]:
    """All numbers by their names, and every failure."""
    usage = {"spent": report.spent._asdict(), "saved": report.saved._asdict()}
    return asdict(report) | usage | {"has_budget_ended": report.has_budget_ended}


def estimate_json(estimate: InterpretationEstimate) -> dict[str, Any]:
    """All numbers by their names."""
    return asdict(estimate) | {"is_within_budget": estimate.is_within_budget}


def print_estimate(estimate: InterpretationEstimate) -> None:
    """Prints what a run would ask and cost."""
    console = _console()
    batch = " by the Batch API" if estimate.is_batch else ""
    console.print(Text(f"{estimate.model}{batch}; nothing was asked."))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    for name, amount, note in _rows(estimate):
        table.add_row(name, amount, note)
    console.print(table)


def _rows(estimate: InterpretationEstimate) -> list[tuple[str, str, str]]:
    """Name, amount and note of each line; lines without anything to say are left out."""
    is_scaled = estimate.n_tried < estimate.n_features
    tried = f"estimated from {estimate.n_tried:,} of them" if is_scaled else ""
    price = "by the table of prices" if estimate.cost is not None else "the model is not in auto_interp.prices"
    embedding = "in the cost" if estimate.embedding_cost is not None else "not in the cost: their model has no price"
    limits = [] if estimate.max_cost is None else [dollars(estimate.max_cost)]
    limits += [] if estimate.max_tokens is None else [f"{estimate.max_tokens:,} tokens"]
    reach = "is enough" if estimate.is_within_budget else "ends the run before all are explained"
    rows = [
        ("features to explain", f"{estimate.n_features:,}", tried),
        *_if(estimate.n_unexplainable, "without a window to explain", "nothing is asked about them"),
        *_if(estimate.n_kept, "explained already", "kept"),
        ("requests", f"{estimate.n_requests:,}", "to pay for"),
        *_if(estimate.n_from_cache, "answers in the cache", "free"),
        ("prompt tokens", f"{estimate.prompt_tokens:,}", "estimated"),
        ("answer tokens", f"{estimate.completion_tokens:,}", "estimated"),
        *_if(estimate.n_embedded_texts, "texts to embed", f"{estimate.embedding_tokens:,} tokens, {embedding}"),
        ("cost", dollars(estimate.cost), price),
    ]
    return [*rows, ("budget", " or ".join(limits), reach)] if limits else rows


def _if(number: int, name: str, note: str) -> list[tuple[str, str, str]]:
    return [(name, f"{number:,}", note)] if number else []


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PIPED_WIDTH)
