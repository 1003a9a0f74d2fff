"""What all models of the API share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ApiModel(BaseModel):
    """A model of the API; docstrings under fields become its documentation."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, protected_namespaces=(), extra="forbid")


class FeatureKey(ApiModel):
    """A feature of an SAE, whatever the analysis."""

    series: str
    """Series of the SAE."""
    name: str
    """Name of the SAE in its series."""
    index: int
    """Which feature."""


class Bar(ApiModel):
    """One bar of a histogram."""

    start: float
    """Lower edge."""
    stop: float
    """Upper edge."""
    count: int
    """How many lie in between, the lower edge included."""
