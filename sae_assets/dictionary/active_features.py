"""What is active on some tokens, without the zeros: the form in which an analysis takes features."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float, Int64
from torch import Tensor


class ActiveFeatures(NamedTuple):
    """The activations above 0 of some tokens, token after token."""

    token: Int64[Tensor, "active"]
    """Which of the tokens, ascending."""
    feature: Int64[Tensor, "active"]
    """Which feature; in no order within a token."""
    value: Float[Tensor, "active"]
    """Its activation, above 0."""

    def positive(self) -> ActiveFeatures:
        """Those above 0."""
        is_kept = self.value > 0
        return self if bool(is_kept.all()) else ActiveFeatures(*(column[is_kept] for column in self))


def active_where(is_active: Bool[Tensor, "token feature"], features: Float[Tensor, "token feature"]) -> ActiveFeatures:
    """The features where they are active."""
    token, feature = is_active.nonzero(as_tuple=True)
    return ActiveFeatures(token, feature, features[token, feature])
