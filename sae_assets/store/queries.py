"""Every filter that is sent to MongoDB; there is no other way to write one.

Three conditions exist: equal to a value, one of some values, and a half-open range. These the bundled server answers
rightly on compound ascending indexes; an inclusive bound on a key that is not the last loses rows there. Values are
plain, so no operator can come in from outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Scalar = str | int | bool | None


@dataclass(frozen=True)
class Where:
    """The conditions that a document must meet, all of them."""

    filter: dict[str, Any]
    """The same as MongoDB takes it; made by `where` and the methods below only."""

    def between(self, field: str, start: int, stop: int) -> Where:
        """And the field is at least `start` and below `stop`."""
        return self._and(field, {"$gte": _plain(start), "$lt": _plain(stop)})

    def among(self, field: str, values: Iterable[Scalar]) -> Where:
        """And the field is one of the values."""
        return self._and(field, {"$in": [_plain(value) for value in values]})

    def _and(self, field: str, condition: Any) -> Where:
        if field in self.filter:
            raise ValueError(f"{field!r} has a condition already")
        return Where({**self.filter, field: condition})


def where(**equal: Scalar) -> Where:
    """Documents whose fields equal these values."""
    return Where({field: _plain(value) for field, value in equal.items()})


def _plain(value: Scalar) -> Scalar:
    if value is not None and not isinstance(value, str | int):
        raise TypeError(f"a filter compares with a plain value, not with {value!r}")
    return value
