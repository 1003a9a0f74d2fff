"""Checkpoints and their analyses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sae_assets.web.models.base import ApiModel, Bar


class CheckpointItem(ApiModel):
    """A checkpoint in a list; the numbers are those of `analysis`."""

    series: str
    """Its series."""
    name: str
    """Its name in the series."""
    analyses: list[str]
    """Names of its published analyses."""
    analysis: str | None
    """The analysis that is shown: "default", else the one published last; None where none is published."""
    model_name: str | None
    """Language model."""
    hook_point: str | None
    """Where in the model it reads."""
    d_model: int
    """Width of the model there."""
    d_sae: int
    """Number of features."""
    n_alive: int | None
    """Features that activate on some analysed token."""
    l0: float | None
    """Mean number of active features a token."""
    n_analyzed_tokens: int | None
    """Tokens analysed."""
    n_explained: int
    """Features with an explanation."""
    mean_scores: dict[str, float]
    """Mean score of the explanations by scorer."""
    has_logits: bool
    """Whether logits are attributed."""
    published_at: datetime | None
    """When the analysis was published."""
    dagster_url: str | None
    """The checkpoint's partition in the Dagster UI."""


class CheckpointList(ApiModel):
    """All checkpoints, by series and name."""

    items: list[CheckpointItem]
    """The checkpoints."""


class LineageStep(ApiModel):
    """One step from the checkpoint to what is shown."""

    what: str
    """The step: "checkpoint", "features", "logits", "explanations"."""
    detail: str
    """What it was made from: the path of the weights, the fingerprint of the source, the variant of the logits."""
    at: datetime | None
    """When; None where it has not happened."""


class Histograms(ApiModel):
    """How the features of an analysis are spread. Bars of empty ranges inside are there, with a count of 0."""

    log_density: list[Bar]
    """Alive features by log10 of their density."""
    max_act: list[Bar]
    """Alive features by largest activation."""
    scores: dict[str, list[Bar]]
    """Explained features by score, for each scorer, in tenths from 0 (simulation: from -1) to 1."""


class AnalysisDetail(ApiModel):
    """A checkpoint with one of its analyses."""

    checkpoint: CheckpointItem
    """The checkpoint, with the numbers of this analysis."""
    analysis: str
    """Name of the analysis."""
    histograms: Histograms
    """How its features are spread."""
    lineage: list[LineageStep]
    """What it was made from, first things first."""
    settings: dict[str, Any]
    """The analysis' settings, without secrets."""
    config: dict[str, Any]
    """The checkpoint's own config."""
    subsamples: list[str]
    """Names of the subsamples."""
