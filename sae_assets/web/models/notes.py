"""What people keep: tags and notes on features, and named lists of features."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from sae_assets.web.models.base import ApiModel, FeatureKey


class Annotation(ApiModel):
    """Tags and a note on a feature of an SAE, whatever the analysis."""

    tags: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]] = Field(
        default=[], max_length=50
    )
    """Short words: each of 1 to 50 characters."""
    note: str = Field(default="", max_length=20_000)
    """Any text."""


class ListSummary(ApiModel):
    """A named list of features."""

    name: str
    """Its name."""
    description: str
    """What it is for."""
    n_items: int
    """Features in it."""
    created_at: datetime | None
    """When it was made; None for "bookmarks", which is always there."""


class Lists(ApiModel):
    """All lists."""

    items: list[ListSummary]
    """By name, "bookmarks" first."""


class NewList(ApiModel):
    """A list to make."""

    name: str = Field(min_length=1, max_length=100)
    """Its name; any printable text without a slash."""
    description: str = Field(default="", max_length=2_000)
    """What it is for."""


class ListItem(FeatureKey):
    """A feature in a list."""

    note: str
    """Why it is there."""
    added_at: datetime
    """Since when."""
    explanation: str | None
    """Its explanation in the checkpoint's shown analysis, if there is one."""


class ListDetail(ApiModel):
    """A list with its features."""

    name: str
    """Its name."""
    description: str
    """What it is for."""
    items: list[ListItem]
    """Its features, in the order in which they were added."""


class NewListItem(ApiModel):
    """What is said of a feature that is put into a list."""

    note: str = Field(default="", max_length=2_000)
    """Why it is there."""
