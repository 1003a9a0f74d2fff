"""What a request that failed is answered (RFC 9457)."""

from __future__ import annotations

from pydantic import Field

from sae_assets.web.models.base import ApiModel


class Problem(ApiModel):
    """Why a request failed."""

    type: str = "about:blank"
    """Kind of the problem: none beside the status."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong with this request, as a sentence."""
    parameters: list[str] = Field(default_factory=list)
    """Which of its parameters are wrong, where it is those."""
