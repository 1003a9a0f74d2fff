"""Heavy requests of one client come one after the other, not all at once."""

from __future__ import annotations

import math

from fastapi import HTTPException, Request


def limit_rate(request: Request) -> None:
    """A dependency of heavy operations.

    Raises:
        HTTPException: 429 with Retry-After, where the client asks too often.
    """
    client = request.client.host if request.client is not None else ""
    wait_s = request.app.state.rate_limit.wait_s(client)
    if wait_s > 0:
        raise HTTPException(
            429,
            f"Too many texts at once; try again in {math.ceil(wait_s)} s.",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )
