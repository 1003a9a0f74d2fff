"""The SQLite file that caches share: what was asked of models once, for all runs on this data folder.

Each cache has a table of its own. Every write is a transaction of its own in a write-ahead log: what has arrived
survives the end of its process by `kill -9`. Threads share a connection, as a transaction takes far less than the
request before it; processes on one machine share the file.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

from sae_assets.settings import UserError

T = TypeVar("T")

VERSION = 1
"""Of the file's layout."""
PATIENCE_S = 60.0
"""Seconds to wait for other processes to finish writing."""


class CacheFile:
    """One table of the file, for any number of threads and processes; a context manager."""

    def __init__(self, path: Path, table: str) -> None:
        """Opens nothing yet: the file is made when it is first written.

        Args:
            table: name and columns of the table, as SQL has them.
        """
        self._path, self._table = path, table
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; it is opened again when it is used again."""
        with self._lock:
            if self._connection is not None:
                # What was written is in the file whether or not its log can be tidied up now.
                with suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None

    @property
    def _is_missing(self) -> bool:
        return self._connection is None and not self._path.exists()

    def _use(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """What the action gives; each statement is a transaction. Raises a `UserError` where the file is of no use."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = self._opened()
                return action(self._connection)
        except (sqlite3.Error, OSError) as error:
            # Begun anew, it would silently ask for money what was paid for already.
            raise UserError(
                f"The cache of answers {self._path} cannot be used ({error}); mend what is in the way, or move the "
                "file elsewhere to begin a new one, which pays for every answer again."
            ) from None

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise sqlite3.DatabaseError(f"it was written by a newer version: {version}")
            connection.execute(f"CREATE TABLE IF NOT EXISTS {self._table}")
            if version < VERSION:
                connection.execute(f"PRAGMA user_version = {VERSION}")
        except BaseException:
            connection.close()
            raise
        return connection
