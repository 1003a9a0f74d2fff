"""The documents of what people and models say about features. Kept by names, so that they outlive an analysis."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from pydantic import AliasChoices, Field

from sae_assets.store.documents import Document, now


def now_ms() -> int:
    """The time in milliseconds since 1970, UTC."""
    return round(now().timestamp() * 1000)


SCORE_FIELDS = ("scorer", "value", "n", "n_unparsable")
"""What an explanation that counts keeps of its scores; its version has them whole."""


class ExplanationDocument(Document):
    """`explanations`: a feature in words, the one that counts; small, so that all of an SAE can be held."""

    sae: str
    """The SAE."""
    analysis: str
    """Name of the analysis."""
    index: int
    """Which feature."""
    text: str
    """The explanation."""
    consistency: int | None = None
    """How well the examples agree, 1 to 5."""
    complexity: int | None = None
    """How abstract the feature is, 1 to 5."""
    scores: list[dict[str, Any]] = Field(default=[])
    """How well the explanation did, one for each scorer."""
    explainer: str | None = None
    """Form of the prompt."""
    model: str | None = None
    """The model that explained."""
    is_by_hand: bool = False
    """A person wrote it; no model's explanation replaces it."""
    version: str = ""
    """Its id in `explanation_versions`; empty where an earlier version of the package, which kept none, wrote it."""
    written_ms: int = Field(default_factory=now_ms)
    """When it was written, in milliseconds since 1970, UTC."""
    created_at: datetime = Field(default_factory=now)
    """When it was made."""


class ExplanationVersionDocument(ExplanationDocument):
    """`explanation_versions`: every explanation that there ever was, with how it came about; never changed."""

    version: str = Field(
        default_factory=lambda: uuid.uuid4().hex,
        validation_alias=AliasChoices("_id", "version"),
        serialization_alias="_id",
    )
    """Its id."""
    source: str | None = None
    """The activation source whose contexts its scores name."""
    prompt_hash: str | None = None
    """Version of the prompt."""
    prompt: str | None = None
    """The whole prompt."""
    answer: str | None = None
    """What the model answered."""
    usage: dict[str, Any] = Field(default={})
    """Requests and tokens that it took."""
    seconds: float | None = None
    """Time that it took."""

    @property
    def current(self) -> ExplanationDocument:
        """The small part, as it lies in `explanations` while it counts."""
        fields = self.model_dump(include=set(ExplanationDocument.model_fields))
        fields["scores"] = [{name: score[name] for name in SCORE_FIELDS if name in score} for score in self.scores]
        return ExplanationDocument(**fields)


class ExplanationFailureDocument(Document):
    """`explanation_failures`: why the last run that tried could not explain a feature."""

    sae: str
    """The SAE."""
    analysis: str
    """Name of the analysis."""
    index: int
    """Which feature."""
    reason: str
    """One sentence."""
    kind: str
    """What failed: "examples", "answer", "endpoint" or "unexpected"."""
    model: str | None = None
    """The model that was asked."""
    answer: str | None = None
    """What it answered, where that could not be read."""
    failed_at: datetime = Field(default_factory=now)
    """When it failed last."""


class AnnotationDocument(Document):
    """`annotations`: tags and a note on a feature, whatever the analysis."""

    sae: str
    """The SAE."""
    index: int
    """Which feature."""
    tags: list[str] = Field(default=[])
    """Short words, each once."""
    note: str = ""
    """Any text."""
    updated_at: datetime = Field(default_factory=now)
    """When it was last changed."""


class ListDocument(Document):
    """`lists`: a named list of features; "bookmarks" is always there and has no document."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """Its name."""
    description: str = ""
    """What it is for."""
    created_at: datetime = Field(default_factory=now)
    """When it was made."""


class ListItemDocument(Document):
    """`list_items`: a feature in a list."""

    list: str
    """Name of the list."""
    sae: str
    """The SAE."""
    index: int
    """Which feature."""
    note: str = ""
    """Why it is there."""
    added_at: datetime = Field(default_factory=now)
    """Since when."""
