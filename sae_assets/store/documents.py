"""The documents that lie in MongoDB, one class a collection: the schema. Here those that are found by names.

An SAE is named by its id `series/name` everywhere. What one analysis found about the features lies in a *set* of
documents under an id of its own (`set_documents`); `analyses` says which set counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


def now() -> datetime:
    """The time, to the millisecond that MongoDB keeps."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


class Document(BaseModel):
    """A document, or a part of one."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, protected_namespaces=())

    def to_mongo(self) -> dict[str, Any]:
        """As MongoDB stores it."""
        return self.model_dump(by_alias=True)

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """Out of what MongoDB has stored."""
        return cls.model_validate(stored)


class SAEDocument(Document):
    """`saes`: a checkpoint."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """`series/name`."""
    series: str
    """Its series."""
    name: str
    """Its name in the series."""
    path: str
    """Where its weights lie."""
    identity: str
    """Hash of its weights and config: equal where they are."""
    config: dict[str, Any]
    """The checkpoint's own config."""
    format: str | None = None
    """What its format is called; None where an older version published it."""
    model_name: str | None
    """Language model that it was trained on."""
    hook_point: str | None
    """Where in the model it reads."""
    d_model: int
    """Width of the model there."""
    d_sae: int
    """Number of features."""
    created_at: datetime = Field(default_factory=now)
    """When it first came here."""
    updated_at: datetime = Field(default_factory=now)
    """When it last came here."""


class ConfigDocument(Document):
    """`models` and `datasets`: settings by the name that an analysis used, without secrets."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """The name."""
    config: dict[str, Any]
    """The settings."""


SetKind = Literal["features", "logits"]


class PendingSet(Document):
    """A set of documents that does not count: it is being written, was left by a killed run, or is about to go."""

    id: str
    """The set's id."""
    kind: SetKind
    """What it holds."""
    started_at: datetime
    """When it was begun, or replaced."""
    is_abandoned: bool = False
    """It will never count and may be deleted."""


class AnalysisDocument(Document):
    """`analyses`: a named analysis of an SAE, and which sets of documents are its result."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """`series/name/analysis`."""
    sae: str
    """The SAE."""
    name: str
    """Name of the analysis: "default"."""
    revision: int = 0
    """Raised by every change, so that a change is made to what was read and nothing else."""
    features_id: str | None = None
    """Set in `features` and `samples`; None before the first analysis is complete."""
    logits_id: str | None = None
    """Set in `logits`; None where no logits belong to these features."""
    pending: list[PendingSet] = []
    """Sets that do not count."""
    identity: str | None = None
    """Identity of the SAE that was analysed."""
    source: str | None = None
    """Fingerprint of the activation source."""
    subsamples: list[str] = []
    """Names of the subsamples."""
    settings: dict[str, Any] = {}
    """The analysis' settings."""
    n_analyzed_tokens: int = 0
    """Tokens analysed."""
    n_alive: int = 0
    """Features that activate on some token."""
    d_sae: int = 0
    """Number of features."""
    l0: float = 0.0
    """Mean number of active features a token."""
    logits_variant: str | None = None
    """How logits were attributed: "norm" or "raw"."""
    n_explained: int = 0
    """Features with an explanation."""
    mean_scores: dict[str, float] = {}
    """Mean score of the explanations by scorer, as it was after the last run that explained."""
    published_at: datetime | None = None
    """When the features came to count."""
    logits_published_at: datetime | None = None
    """When the logits came to count."""
