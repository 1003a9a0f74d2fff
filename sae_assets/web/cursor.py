"""Cursors: where a page begins, as an opaque text that a client hands back."""

from __future__ import annotations

import base64
import math

from pydantic import BaseModel, ConfigDict, ValidationError

from sae_assets.settings.errors import UserError


class Cursor(BaseModel):
    """The place between two items of a sorted list. It stays right where items come and go in the meantime."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    of: str
    """Fingerprint of the list that it belongs to."""
    key: float
    """Sort key of the item beside it."""
    index: int
    """Index of that item, which decides among equal keys."""
    is_backward: bool = False
    """The page ends before the item, rather than beginning after it."""

    def encoded(self) -> str:
        """As it stands in a URL."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")

    @staticmethod
    def decoded(text: str, of: str) -> Cursor:
        """The cursor out of its text.

        Raises:
            UserError: it is none, or one of another list.
        """
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            cursor = Cursor.model_validate_json(base64.b64decode(padded, b"-_", validate=True))
        except (ValueError, ValidationError):
            cursor = None
        if cursor is None or cursor.of != of or math.isnan(cursor.key):
            raise UserError("The cursor belongs to no page of this list; leave it out to begin with the first page.")
        return cursor
