"""Vectors of texts on disk, so that no text is embedded for money twice: beside the replies, in the same file."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from sae_assets.interpretation.cache_file import CacheFile
from sae_assets.settings.embedding import EmbeddingConfig

MOST_KEYS = 500
"""Rows of one statement; SQLite takes a few thousand values."""


class KnownVector(NamedTuple):
    """What an endpoint made of a text."""

    vector: Float32[np.ndarray, " dimension"] | None
    """What the text means, of length 1; None where the endpoint refused it."""
    tokens: float
    """The text's share of the tokens of its request; 0 where the endpoint counted none."""
    cost: float | None
    """Its share of what the request cost, in US dollars; None where nobody said."""
    is_new: bool = True
    """Whether this run asked for it."""


def vector_key(cfg: EmbeddingConfig, text: str) -> bytes:
    """16 bytes that are equal exactly where the same vector is asked for: of the same model, size and text."""
    decisive = json.dumps([cfg.model, cfg.dimensions, text])
    return hashlib.blake2b(decisive.encode(), digest_size=16).digest()


class VectorCache(CacheFile):
    """The vectors in one file, for any number of threads and processes; a context manager, one a run."""

    def __init__(self, path: Path, *, only_new: bool = False) -> None:
        """Opens nothing yet: the file is made with the first vector.

        Args:
            only_new: know only what this run asked for.
        """
        columns = "key BLOB PRIMARY KEY, vector BLOB NOT NULL, tokens REAL NOT NULL, cost REAL, run TEXT NOT NULL"
        super().__init__(path, f"vectors ({columns}) WITHOUT ROWID")
        self._only_new, self._run = only_new, secrets.token_hex(8)

    def get(self, keys: Collection[bytes]) -> dict[bytes, KnownVector]:
        """What is known of these texts, by this run or an earlier one.

        Raises:
            UserError: the file cannot be read.
        """
        if self._is_missing:
            return {}
        every = list(keys)

        def select(connection: sqlite3.Connection) -> list[tuple[bytes, bytes, float, float | None, str]]:
            rows = []
            for first in range(0, len(every), MOST_KEYS):
                some = every[first : first + MOST_KEYS]
                places = ", ".join("?" * len(some))
                rows += connection.execute(
                    f"SELECT key, vector, tokens, cost, run FROM vectors WHERE key IN ({places})", some
                )
            return rows

        return {
            key: KnownVector(np.frombuffer(vector, "<f4") if vector else None, tokens, cost, run == self._run)
            for key, vector, tokens, cost, run in self._use(select)
            if run == self._run or not self._only_new
        }

    def put(self, vectors: Mapping[bytes, KnownVector]) -> None:
        """Keeps what this run asked for, in place of what was known of the same texts.

        Raises:
            UserError: the file cannot be written.
        """
        rows = [
            (key, b"" if one.vector is None else one.vector.astype("<f4").tobytes(), one.tokens, one.cost, self._run)
            for key, one in vectors.items()
        ]

        def insert(connection: sqlite3.Connection) -> None:
            for first in range(0, len(rows), MOST_KEYS):
                some = rows[first : first + MOST_KEYS]
                places = ", ".join(["(?, ?, ?, ?, ?)"] * len(some))
                connection.execute(f"INSERT OR REPLACE INTO vectors VALUES {places}", [v for row in some for v in row])

        self._use(insert)
