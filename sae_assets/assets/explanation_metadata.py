"""What a person wants to see of a checkpoint's explanations in the Dagster UI."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np

from sae_assets.assets.pictures import COLOUR, picture
from sae_assets.interpretation.amounts import tokens_of
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.report import ExplanationReport, ScorerReport
from sae_assets.interpretation.report_text import density_table, mean_text, score_table
from sae_assets.runners.interpretation_report import InterpretationReport
from sae_assets.store.kept_documents import ExplanationDocument

N_SHOWN = 10


def run_metadata(run: InterpretationReport) -> dict[str, Any]:
    """What this run did, what it paid and what it could not explain."""
    metadata: dict[str, Any] = {
        "explained now": run.n_explained,
        "failed": len(run.failures),
        "remaining": run.n_remaining,
        "cost in dollars": _cost(run.spent),
        "tokens": tokens_of(run.spent),
        "requests": run.spent.requests,
        "requests saved by the cache": run.saved.requests,
        "dollars saved by the cache": _cost(run.saved),
    }
    if run.failures:
        records = [
            dg.TableRecord({"index": one.index, "what failed": one.kind, "reason": one.reason})
            for one in run.failures[:N_SHOWN]
        ]
        metadata["failures"] = dg.MetadataValue.table(records)
    return metadata


def report_metadata(report: ExplanationReport, stored: list[ExplanationDocument]) -> dict[str, Any]:
    """All explanations of the checkpoint: how they did, how scores are spread and go with density, some examples."""
    metadata: dict[str, Any] = {"explained in all": report.n_explained}
    scored = [one for one in report.scorers if one.mean is not None]
    for one in scored:
        assert one.mean is not None
        metadata[f"mean {one.scorer}"] = one.mean.value
        metadata[f"mean {one.scorer}, 95 % interval"] = mean_text(one.mean)
    if report.scorers:
        metadata["scores"] = dg.MetadataValue.md(score_table(report.scorers))
    if scored:
        by_density = "\n\n".join(f"**{one.scorer}**\n\n{density_table(one)}" for one in scored)
        metadata["scores by density"] = dg.MetadataValue.md(by_density)
        metadata["spread of scores"] = _spread(scored)
    if report.is_mixed:
        metadata["mixed"] = "Explanations or scores by several models or prompts are averaged here."
    if stored:
        records = [dg.TableRecord({"index": one.index, "explanation": one.text}) for one in stored[:N_SHOWN]]
        metadata["examples"] = dg.MetadataValue.table(records)
    return metadata


def _cost(usage: Usage) -> float | str:
    """A number, which Dagster draws over the runs, where it is known."""
    return 0.0 if not usage.requests else "unknown" if usage.cost is None else usage.cost


def _spread(scorers: list[ScorerReport]) -> dg.MarkdownMetadataValue:
    """A histogram of each score, as one picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 1.8 * len(scorers)), layout="constrained")
    for axes, one in zip(figure.subplots(len(scorers), squeeze=False)[:, 0], scorers, strict=True):
        assert one.histogram is not None and one.mean is not None
        edges = np.linspace(one.histogram.start, 1, len(one.histogram.counts) + 1)
        axes.stairs(one.histogram.counts, edges, fill=True, color=COLOUR)
        axes.axvline(one.mean.value, color="black", linewidth=1)
        axes.set(xlabel=f"{one.scorer} (line: mean)", ylabel="features")
        axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "features by " + ", ".join(one.scorer for one in scorers))
