"""Two checkpoints on the same source, feature by feature."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sae_assets.web.models.base import ApiModel

Change = Literal["matched", "moved", "died", "revived", "disappeared", "appeared"]


class FeaturePair(ApiModel):
    """A feature of the first checkpoint beside one of the second."""

    first: int | None
    """Feature of the first checkpoint; None for one that appeared."""
    second: int | None
    """Its counterpart in the second; None for one that disappeared."""
    change: Change
    """What became of it."""
    decoder_cosine: float | None
    """Cosine of the two decoders."""
    correlation: float | None
    """Pearson correlation of the two activations over the compared tokens; None where one of them is constant."""
    first_density: float | None
    """Share of the tokens on which the first is active."""
    second_density: float | None
    """The same of the second."""
    first_explanation: str | None
    """Explanation of the first, if there is one."""
    second_explanation: str | None
    """Explanation of the second."""


class Comparison(ApiModel):
    """What became of the features of one checkpoint in another one."""

    first: str
    """`series/name/analysis`."""
    second: str
    """`series/name/analysis`."""
    state: Literal["missing", "running", "failed", "ready"]
    """Whether it is there."""
    progress: float | None
    """Share of the work that is done, while it runs."""
    message: str | None
    """Why it failed."""
    n_tokens: int | None
    """Tokens over which activations were correlated."""
    made_at: datetime | None
    """When it was made."""
    counts: dict[Change, int]
    """Features by what became of them."""
    items: list[FeaturePair]
    """A page of pairs."""
    total: int
    """Pairs in the whole list under the filter."""
    next: str | None
    """Cursor of the next page; None on the last."""


class NewComparison(ApiModel):
    """Two analyses to compare."""

    first: str
    """`series/name/analysis`."""
    second: str
    """`series/name/analysis`."""
