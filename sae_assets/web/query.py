"""What a list of features is asked for: search, filters and order, as they stand in the URL."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

PAGE = 50
"""Features on a page."""
Number = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, StringConstraints(max_length=500)]
Sort = Literal["index", "density", "max_act", "mean_act", "score", "top_logit", "relevance"]


class FeatureQuery(BaseModel):
    """Which features, in which order. Ranges hold their lower end and not the upper one, as bars of histograms do."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    q: Words | None = None
    """Words that all stand in the explanation, or a text in one of the top tokens; a bare number is found first as an
    index. Case does not matter."""
    meaning: Words | None = None
    """What the explanation means; only where an embedding model is set."""
    min_density: Number | None = None
    """Density at least this."""
    max_density: Number | None = None
    """Density below this; 1 is held by the range that ends there."""
    min_log_density: Number | None = None
    """log10 of the density at least this; dead features are in no such range."""
    max_log_density: Number | None = None
    """log10 of the density below this; 0 is held by the range that ends there."""
    min_act: Number | None = None
    """Largest activation at least this."""
    max_act: Number | None = None
    """Largest activation below this."""
    scorer: Words | None = None
    """Whose score is filtered and sorted by; the first by name where not given."""
    min_score: Number | None = None
    """Score at least this."""
    max_score: Number | None = None
    """Score below this; 1 is held by the range that ends there."""
    state: Literal["all", "alive", "dead"] = "all"
    """Whether they activate on some analysed token."""
    bookmarked: bool | None = None
    """Whether they are in the list "bookmarks"."""
    annotated: bool | None = None
    """Whether they have tags or a note."""
    explained: bool | None = None
    """Whether they have an explanation."""
    list: Words | None = None
    """In the list of this name."""
    tag: Words | None = None
    """With this tag."""
    sort: Sort | None = None
    """What they are sorted by: relevance where something is searched for, else the index. Ties go to the smaller index,
    features without the value come last."""
    order: Literal["asc", "desc"] | None = None
    """Smallest or largest first; the smallest index and the largest of all else where not given."""
    cursor: Annotated[str, StringConstraints(max_length=500)] | None = None
    """The page: `next` or `previous` of another one; the first where not given."""

    @model_validator(mode="before")
    @classmethod
    def _an_empty_field_of_a_form_is_none(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        is_empty = {name: isinstance(value, str) and not value.strip() for name, value in values.items()}
        return {name: value for name, value in values.items() if not (is_empty[name] and name in cls.model_fields)}

    @property
    def sorted_by(self) -> Sort:
        """What they are sorted by in the end."""
        return self.sort or ("relevance" if self.q or self.meaning else "index")

    @property
    def is_ascending(self) -> bool:
        """Whether the smallest come first; the most relevant always do."""
        if self.order is None or self.sorted_by == "relevance":
            return self.sorted_by in ("index", "relevance")
        return self.order == "asc"

    @property
    def needs_explanations(self) -> bool:
        """Whether which features are meant, or their order, depends on the explanations of all."""
        asked = (self.q, self.meaning, self.min_score, self.max_score, self.explained)
        return self.sorted_by == "score" or any(value is not None for value in asked)

    @property
    def fingerprint(self) -> str:
        """Says which list this is, whatever its page: a cursor belongs to one."""
        return hashlib.sha256(self.model_dump_json(exclude={"cursor"}).encode()).hexdigest()[:8]
