"""Features: in a list, and one with all that is known about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import StringConstraints

from sae_assets.web.models.base import ApiModel, Bar


class FeatureItem(ApiModel):
    """A feature in a list."""

    index: int
    """Which feature."""
    density: float
    """Share of the analysed tokens on which it is above 0."""
    max_act: float
    """Largest activation; 0 for a dead feature."""
    mean_act: float
    """Mean of the values above 0."""
    is_dead: bool
    """Whether it activates on no analysed token."""
    explanation: str | None
    """The explanation, if there is one."""
    scores: dict[str, float]
    """Scores of the explanation by scorer."""
    top_tokens: list[str]
    """The output tokens that it promotes most, most first; empty where no logits are attributed."""
    is_bookmarked: bool
    """Whether it is in the list "bookmarks"."""
    tags: list[str]
    """Its tags."""
    has_note: bool
    """Whether somebody wrote a note on it."""
    similarity: float | None = None
    """Cosine to what was searched for by meaning; None otherwise."""


class FeaturePage(ApiModel):
    """A page of a list of features."""

    items: list[FeatureItem]
    """The features of this page."""
    total: int
    """Features in the whole list."""
    start: int
    """Features of the whole list before this page."""
    n_pending: int = 0
    """Explanations that are not embedded yet, so that a search by meaning cannot find them."""
    message: str | None = None
    """Why they are not, where embedding them failed."""
    next: str | None
    """Cursor of the next page; None on the last."""
    previous: str | None
    """Cursor of the page before; None on the first."""


class ScoreItem(ApiModel):
    """How an explanation did under one scorer."""

    scorer: str
    """Name of the scorer."""
    value: float | None
    """The score; None where it came to none, for the `reason` among the details."""
    details: dict[str, Any]
    """Counts, usage, verdicts and whatever else the scorer kept."""


class ExplanationItem(ApiModel):
    """An explanation of a feature: the current one, or one of its history."""

    version: str
    """Id of this version."""
    text: str
    """The explanation."""
    consistency: int | None
    """How well the examples agree, 1 to 5, in the model's own judgement."""
    complexity: int | None
    """How abstract the feature is, 1 to 5, likewise."""
    scores: list[ScoreItem]
    """How it did."""
    explainer: str | None
    """Form of the prompt."""
    model: str | None
    """The model that explained; None where a person did."""
    is_by_hand: bool
    """A person wrote it; no model's explanation replaces it."""
    prompt_hash: str | None
    """Version of the prompt; None where a person wrote."""
    prompt: str | None
    """The whole prompt."""
    answer: str | None
    """What the model answered."""
    usage: dict[str, Any]
    """Requests and tokens that it took; the cost where it is known."""
    seconds: float | None
    """Time that it took."""
    created_at: datetime
    """When it was made."""


class MisjudgedWindow(ApiModel):
    """A window of which the judge of an explanation was wrong."""

    scorer: str
    """The measure that asked."""
    context_idx: int
    """Which context of the source."""
    is_positive: bool
    """What is right: the window shows the feature, or for fuzzing its marks are right."""
    text: str | None
    """The window, or its whole context; None where it is no longer known."""


class ExplanationHistory(ApiModel):
    """All explanations of a feature."""

    items: list[ExplanationItem]
    """Newest first; the first is the current one unless a person's stands above later ones of a model."""
    current: str | None
    """Version of the current one."""
    misjudged: list[MisjudgedWindow]
    """What the judge of the current one got wrong."""
    failure: str | None
    """Why the last run that tried could not explain the feature; None where it could, or none tried."""
    failed_answer: str | None
    """What the model answered then, where that could not be read."""


class NewExplanation(ApiModel):
    """An explanation that a person writes."""

    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    """The explanation: 1 to 2,000 characters."""


class Neighbour(ApiModel):
    """A feature that is near another one."""

    index: int
    """Which feature."""
    similarity: float
    """Cosine of the decoders, or of the co-activation."""
    explanation: str | None
    """Its explanation, if there is one."""
    top_tokens: list[str]
    """The output tokens that it promotes most."""


class TokenLogit(ApiModel):
    """An output token and its logit."""

    token_id: int
    """The token's id."""
    text: str
    """The token as text."""
    logit: float
    """What the feature adds to its logit."""


class Logits(ApiModel):
    """The output tokens that a feature promotes and suppresses."""

    variant: str
    """How logits were attributed: "norm" or "raw"."""
    top: list[TokenLogit]
    """The most promoted tokens, most first."""
    bottom: list[TokenLogit]
    """The most suppressed tokens, most first."""
    mean: float
    """Mean over the vocabulary."""
    std: float
    """Standard deviation over the vocabulary."""
    histogram: list[Bar]
    """Tokens of the vocabulary by logit."""


class Segment(ApiModel):
    """A run of text: one active token (or several that share a character), or a stretch on which nothing happens."""

    text: str
    """The characters."""
    activation: float | None = None
    """The feature's activation; None for a stretch on which it is silent."""
    is_peak: bool = False
    """Whether this is the context's strongest token."""


class Sample(ApiModel):
    """A sample context of a feature, or a window of it around the peak."""

    context_idx: int
    """Which context of the source."""
    dataset: str
    """Dataset of its first document."""
    document_idx: int
    """Place of that document in the dataset."""
    peak: float
    """Largest activation in the whole context; 0 for a silent one."""
    segments: list[Segment]
    """The text in order; it joins to the text of the window."""
    has_more_before: bool
    """Whether the context goes on before the window."""
    has_more_after: bool
    """Whether it goes on after it."""
    is_partly_known: bool = False
    """Whether activations were kept for a part of the shown text only; the rest is shown as if it were silent."""


class Subsample(ApiModel):
    """A named group of sample contexts."""

    name: str
    """Its name: "top_activations", a magnitude band, "non_activating"."""
    samples: list[Sample]
    """Its samples, strongest first."""


class Statistics(ApiModel):
    """What was counted and measured of a feature."""

    act_times: int
    """Tokens on which it is above 0."""
    n_analyzed_tokens: int
    """Tokens analysed."""
    density: float
    """Share of these tokens on which it is above 0."""
    act_contexts: int
    """Contexts on which it is above 0 at some token."""
    max_act: float
    """Largest activation."""
    mean_act: float
    """Mean of the values above 0."""
    std_act: float
    """Population standard deviation of the values above 0."""
    decoder_norm: float
    """Length of its decoder."""
    encoder_norm: float
    """Length of its encoder."""
    cosine: float
    """Cosine of its encoder and its decoder."""


class Feature(ApiModel):
    """A feature with all that is known about it."""

    series: str
    """Series of its SAE."""
    name: str
    """Name of its SAE."""
    analysis: str
    """The analysis."""
    index: int
    """Which feature."""
    d_sae: int
    """Number of features: indices go from 0 to d_sae - 1."""
    model_name: str | None
    """Language model."""
    hook_point: str | None
    """Where in the model the SAE reads."""
    explanation: ExplanationItem | None
    """The current explanation."""
    failure: str | None
    """Why the last run that tried could not explain it; None where it has an explanation, or none tried."""
    statistics: Statistics
    """Counts and sizes."""
    histogram: list[Bar]
    """Values above 0 by size, eight bins an octave, from the first that is filled to the last."""
    logits: Logits | None
    """Output tokens; None where no logits are attributed."""
    subsamples: list[Subsample]
    """Sample contexts, each as a window around its peak."""
    neighbours: list[Neighbour]
    """The nearest features by the cosine of their decoders, nearest first."""
    coactive: list[Neighbour]
    """The features that are most often active on the same tokens, by the cosine of both as 0s and 1s, most first."""
    is_bookmarked: bool
    """Whether it is in the list "bookmarks"."""
    lists: list[str]
    """All lists that it is in."""
    tags: list[str]
    """Its tags."""
    note: str
    """The note on it."""
