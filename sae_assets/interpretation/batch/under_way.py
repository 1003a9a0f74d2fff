"""Which batches are under way and what they ask: on disk, so that no other run and no later one asks it again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from filelock import FileLock

from sae_assets.settings import UserError

T = TypeVar("T")

PATIENCE_S = 60.0
"""Seconds to wait for other processes to finish writing."""

_TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    place TEXT, model TEXT, input_file TEXT, batch TEXT, PRIMARY KEY (place, input_file)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (place TEXT, key TEXT, input_file TEXT, PRIMARY KEY (place, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS questions_of_file ON questions (place, input_file);
"""


class SentBatch(NamedTuple):
    """A file of questions at the endpoint, and the batch that answers it."""

    input_file: str
    """The endpoint's id of the file."""
    batch: str | None
    """The endpoint's id of the batch; None as long as it is not known whether there is one."""


class UnderWay:
    """The batches of one model at one endpoint whose answers are not fetched yet; for all threads and processes.

    A batch is entered before the endpoint is told to begin it, and taken out when all its answers are in the cache. So
    whatever a killed process left behind is found here.
    """

    def __init__(self, path: Path, place: str, model: str) -> None:
        """Opens the file, and makes it where there is none.

        Args:
            place: the endpoint's address; two endpoints never share a batch.
            model: the model's name, as it is asked for.

        Raises:
            UserError: the file cannot be used.
        """
        self._path, self._place, self._model = path, place, model
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None
        self._use(lambda connection: connection.execute("PRAGMA journal_mode = WAL"))
        self._use(lambda connection: connection.executescript(_TABLES))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def sending(self) -> Iterator[None]:
        """For one sender at a time, of all processes: what has no batch then was left by one that was killed."""
        with FileLock(self._path.with_suffix(".lock")):
            yield

    def file_of(self, key: str) -> str | None:
        """The file in which this question was sent; None where it is not under way."""
        select = "SELECT input_file FROM questions WHERE place = ? AND key = ?"
        row = self._use(lambda connection: connection.execute(select, (self._place, key)).fetchone())
        return row and row[0]

    def batches(self) -> list[SentBatch]:
        """All batches of this model."""
        select = "SELECT input_file, batch FROM batches WHERE place = ? AND model = ? ORDER BY input_file"
        rows = self._use(lambda connection: connection.execute(select, (self._place, self._model)).fetchall())
        return [SentBatch(*row) for row in rows]

    def keys(self, input_file: str) -> set[str]:
        """The questions in a file."""
        select = "SELECT key FROM questions WHERE place = ? AND input_file = ?"
        rows = self._use(lambda connection: connection.execute(select, (self._place, input_file)).fetchall())
        return {key for (key,) in rows}

    def enter(self, input_file: str, keys: Iterable[str]) -> None:
        """Notes a file that lies at the endpoint; there is no batch for it yet."""

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO batches VALUES (?, ?, ?, NULL)", (self._place, self._model, input_file))
            rows = ((self._place, key, input_file) for key in keys)
            connection.executemany("INSERT INTO questions VALUES (?, ?, ?)", rows)

        self._use(_in_one_transaction(insert))

    def name(self, input_file: str, batch: str) -> None:
        """Notes the batch that answers a file."""
        update = "UPDATE batches SET batch = ? WHERE place = ? AND input_file = ?"
        self._use(lambda connection: connection.execute(update, (batch, self._place, input_file)))

    def remove(self, input_file: str) -> None:
        """Takes out a batch of which nothing more will come."""

        def delete(connection: sqlite3.Connection) -> None:
            for table in ("questions", "batches"):
                connection.execute(
                    f"DELETE FROM {table} WHERE place = ? AND input_file = ?",
                    (self._place, input_file),
                )

        self._use(_in_one_transaction(delete))

    def _use(self, action: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._lock:
                return action(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> UserError:
        # Begun anew, it would silently ask for money what is being answered already.
        return UserError(f"The list of batches under way {self._path} cannot be used ({error}); mend or move it.")


def _in_one_transaction(action: Callable[[sqlite3.Connection], None]) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            action(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    return run
