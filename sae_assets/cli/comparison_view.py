"""A comparison of two checkpoints on the terminal and as JSON."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sae_assets.analysis.changes import CHANGES, NO_FEATURE, Change
from sae_assets.cli.tables import NOTHING
from sae_assets.store.comparisons import StoredComparison

MEANINGS: dict[Change, str] = {
    "matched": "the same feature",
    "moved": "the same, but its direction or its tokens changed",
    "died": "alive in the first, dead in the second",
    "revived": "dead in the first, alive in the second",
    "disappeared": "alive in the first, without counterpart in the second",
    "appeared": "alive in the second, without counterpart in the first",
}


def comparison_json(comparison: StoredComparison) -> dict[str, Any]:
    """Everything, with null where there is no feature or no number."""
    about = comparison.about
    return {
        "first": about.first,
        "second": about.second,
        "n_tokens": about.n_tokens,
        "note": about.note,
        "made_at": about.made_at.isoformat(),
        "counts": comparison.counts,
        "pairs": [_pair(comparison, place) for place in range(about.n_pairs)],
    }


def print_comparison(comparison: StoredComparison, n_shown: int) -> None:
    """Prints how many features there are of each kind, and the first ones of each kind but the matched."""
    console, about = Console(highlight=False), comparison.about
    console.print(f"[bold]{about.first}[/] → [bold]{about.second}[/]")
    console.print(about.note or f"Activations correlated on {about.n_tokens:,} tokens.")
    counts = Table(box=None, pad_edge=False, show_header=False)
    counts.add_column(justify="right")
    for change, count in comparison.counts.items():
        counts.add_row(f"{count:,}", change, f"[dim]{MEANINGS[change]}[/]")
    console.print(counts)
    pairs = Table(box=None, pad_edge=False, header_style="bold")
    pairs.add_column("change")
    for column in ("first", "second", "cosine", "correlation"):
        pairs.add_column(column, justify="right")
    for kind in range(1, len(CHANGES)):
        for place in np.flatnonzero(comparison.changes.change == kind)[:n_shown].tolist():
            values = _pair(comparison, place)
            pairs.add_row(values.pop("change"), *map(_text, values.values()))
    if pairs.row_count:
        console.print()
        console.print(pairs)


def _pair(comparison: StoredComparison, place: int) -> dict[str, Any]:
    changes = comparison.changes
    first, second = int(changes.first[place]), int(changes.second[place])
    return {
        "change": CHANGES[changes.change[place]],
        "first": None if first == NO_FEATURE else first,
        "second": None if second == NO_FEATURE else second,
        "cosine": _known(float(changes.cosine[place])),
        "correlation": _known(float(changes.correlation[place])),
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _text(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value}"
