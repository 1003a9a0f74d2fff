"""Replies of language models on disk, so that no question is paid for twice: one SQLite file for all runs.

The library is SQLite itself. What is built on it for caches (diskcache) is no longer kept up, and unpickles what it
reads.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sae_assets.interpretation.asking import Question, Reply
from sae_assets.interpretation.cache_file import CacheFile
from sae_assets.interpretation.records import Usage


def answer_key(model: str, options: Mapping[str, Any], question: Question[Any]) -> str:
    """64 hex digits that are equal exactly where the same is asked.

    Args:
        model: name of the model, as it is asked for.
        options: further fields of the request: temperature, seed, ...
    """
    decisive = [model, options, *question.messages, *_form(question.form), question.attempt]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


@cache
def _form(form: type[BaseModel]) -> tuple[str, str]:
    return form.__name__, json.dumps(form.model_json_schema(), sort_keys=True)


class AnswerCache(CacheFile):
    """The replies in one file, for any number of threads and processes; a context manager."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: the file is made with the first reply."""
        super().__init__(path, "answers (key TEXT PRIMARY KEY, reply TEXT NOT NULL)")

    def get(self, key: str) -> Reply | None:
        """The reply that was put there, by this run or an earlier one.

        Raises:
            UserError: the file cannot be read.
        """
        if self._is_missing:
            return None

        def select(connection: sqlite3.Connection) -> Any:
            return connection.execute("SELECT reply FROM answers WHERE key = ?", (key,)).fetchone()

        row = self._use(select)
        return None if row is None else _reply(row[0])

    def put(self, key: str, reply: Reply) -> None:
        """Keeps a reply, in place of an earlier one where there is one.

        Raises:
            UserError: the file cannot be written.
        """
        text = json.dumps(reply._replace(usage=reply.usage._asdict())._asdict())  # type: ignore[arg-type]
        self._use(lambda connection: connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, text)))


def _reply(text: str) -> Reply:
    fields = json.loads(text)
    return Reply(**fields | {"usage": Usage(**fields["usage"])})
