"""Checkpoints as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from sae_assets.store.lookup import CheckpointRow

NOTHING = "–"
PIPED_WIDTH = 160
"""Characters in a line where the output is no terminal."""


def checkpoint_table(rows: Sequence[CheckpointRow]) -> None:
    """Prints one line a checkpoint, or how to get a first one."""
    console = Console(highlight=False)
    if not rows:
        console.print("The store holds no checkpoint yet; run `make demo`, or `sae-assets analyze FILE`.")
        return
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("checkpoint", "model", "hook point"):
        table.add_column(column, overflow="fold")
    for column in ("features", "alive", "L0", "tokens", "explained"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            f"{row.series}/{row.name}",
            row.model_name or NOTHING,
            row.hook_point or NOTHING,
            f"{row.d_sae:,}",
            NOTHING if row.n_alive is None else f"{row.n_alive:,}",
            NOTHING if row.l0 is None else f"{row.l0:.1f}",
            NOTHING if row.n_analyzed_tokens is None else f"{row.n_analyzed_tokens:,}",
            f"{row.n_explained:,}",
        )
    console.print(table)
