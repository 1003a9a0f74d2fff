"""A context: a token window with its text and every token's characters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32


@dataclass(frozen=True)
class Context:
    """A window of tokens with the text it stands for."""

    context_idx: int
    """Its number, from 0."""
    dataset: str
    """Name of the source of its first document."""
    document_idx: int
    """Place of its first document in that dataset."""
    text: str
    """The characters that its tokens stand for."""
    tokens: Int32[np.ndarray, "position"]
    """Token ids."""
    starts: Int32[np.ndarray, "position"]
    """First character of each token in `text`."""
    stops: Int32[np.ndarray, "position"]
    """Character after the last of each token; equal to `starts` for a token that was put in (BOS, padding)."""
    mask: Bool[np.ndarray, "position"]
    """Whether the token counts: neither padding nor ignored."""
