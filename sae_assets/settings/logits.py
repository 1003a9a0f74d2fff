"""Settings of direct logit attribution."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sae_assets.settings.base import Settings


class DirectLogitAttributorConfig(Settings):
    """How each feature's decoder is projected onto the output tokens."""

    top_k: int = Field(default=10, ge=1)
    """Tokens to keep at either end: the most promoted and the most suppressed."""
    variant: Literal["norm", "raw"] = "norm"
    """"norm": the decoder through the final norm and the unembedding; "raw": the decoder times the unembedding."""
    clt_layer: None = None
    """Layer of a cross-layer transcoder; those are not read, so it must stay unset."""
