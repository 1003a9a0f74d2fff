"""The query of a list of features as its page shows it: chips that take one filter away, and headers that sort."""

from __future__ import annotations

from typing import Literal, NamedTuple
from urllib.parse import urlencode

from sae_assets.web.query import FeatureQuery, Sort

SENTENCES = {
    "q": "contains “{}”",
    "meaning": "means “{}”",
    "min_density": "density at least {}",
    "max_density": "density below {}",
    "min_log_density": "log₁₀ density at least {}",
    "max_log_density": "log₁₀ density below {}",
    "min_act": "largest activation at least {}",
    "max_act": "largest activation below {}",
    "min_score": "score at least {}",
    "max_score": "score below {}",
    "scorer": "score by {}",
    "state": "{}",
    "list": "in the list “{}”",
    "tag": "tagged “{}”",
}
"""What each filter says about the features that stay."""
QUESTIONS = {"explained": "explained", "bookmarked": "bookmarked", "annotated": "with tags or a note"}
"""The same of filters that are yes or no."""


class Chip(NamedTuple):
    """A filter that is on."""

    label: str
    """What it says."""
    without: str
    """Query of the list without it."""


class Header(NamedTuple):
    """The header of a column that sorts."""

    query: str
    """Query of the list when it is clicked."""
    direction: Literal["ascending", "descending"] | None
    """How it is sorted by this column now; None where it is not."""


def as_fields(query: FeatureQuery) -> dict[str, str]:
    """What differs from the default, as the fields of the form hold it."""
    return {name: _as_text(value) for name, value in query.model_dump(exclude_defaults=True).items()}


def as_text(query: FeatureQuery, **changes: object) -> str:
    """The query in the URL with these changes, None leaves one out; at its first page unless a cursor is given."""
    return urlencode(as_fields(query.model_copy(update={"cursor": None} | changes)))


def chips(query: FeatureQuery) -> list[Chip]:
    """What is filtered by."""
    default = {name: field.default for name, field in FeatureQuery.model_fields.items()}
    return [
        Chip(_sentence(name, value), as_text(query, **{name: default[name]}))
        for name, value in query.model_dump(exclude_defaults=True).items()
        if name in SENTENCES or name in QUESTIONS
    ]


def header(query: FeatureQuery, column: Sort) -> Header:
    """The header of a column: the first click sorts as one mostly wants it, the next one the other way round."""
    first = query.model_copy(update={"sort": column, "order": None})
    if query.sorted_by != column:
        return Header(as_text(first), None)
    turned = None if query.is_ascending != first.is_ascending else "desc" if first.is_ascending else "asc"
    return Header(as_text(first, order=turned), "ascending" if query.is_ascending else "descending")


def _sentence(name: str, value: object) -> str:
    if name in QUESTIONS:
        return QUESTIONS[name] if value else f"not {QUESTIONS[name]}"
    return SENTENCES[name].format(f"{value:.4g}" if isinstance(value, float) else value)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
