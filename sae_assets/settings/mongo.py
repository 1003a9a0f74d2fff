"""Settings of the MongoDB that holds results."""

from __future__ import annotations

import os

from pydantic import Field

from sae_assets.settings.base import Settings


class MongoDBConfig(Settings):
    """Which MongoDB to use; with no URI, the server that comes with `sae-assets[embedded]`."""

    mongo_uri: str | None = Field(default_factory=lambda: os.environ.get("MONGO_URI") or None, repr=False)
    """`localhost`, `host:port` or a `mongodb://` URI; unset, the environment's MONGO_URI or the bundled server."""
    mongo_db: str = Field(default_factory=lambda: os.environ.get("MONGO_DB") or "mechinterp")
    """Database; the environment's MONGO_DB where not set, else "mechinterp"."""
