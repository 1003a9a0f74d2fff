"""Pictures in the Dagster UI: matplotlib figures inside Markdown."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR = "#4c78a8"


def picture(figure: Figure, words: str) -> dg.MarkdownMetadataValue:
    """The figure as a picture; `words` say what it shows where it cannot be seen."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    encoded = base64.b64encode(file.getvalue()).decode()
    return dg.MetadataValue.md(f"![{words}](data:image/png;base64,{encoded})")
