"""The connection to MongoDB, the user's own or the bundled one, and what its failures are called."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from pymongo import ASCENDING, MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidName,
    InvalidURI,
    NetworkTimeout,
    OperationFailure,
)

from sae_assets.disk.layout import DataFolder
from sae_assets.settings.errors import UnreachableError, UserError
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.store.queries import Where
from sae_assets.store.server import RunningServer, running_server

WAIT_S = 5
"""Seconds in which a server must be found."""
ANSWER_S = 120
"""Seconds in which it must answer a request; a server that stalls says nothing."""
URI = re.compile(r"mongodb(?:\+srv)?://(?:[^@/?]*@)?(?P<hosts>[^@/?]+)(?:[/?][^@]*)?")
HOST = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?")
NOT_PRIMARY = {10107, 13435, 10058, 11600, 11602, 189}
REFUSED = {13, 18, 8000}
"""Codes of: not allowed, a wrong user name or password, the same at a hosted service."""
BROKEN = "WT_PANIC"
"""In the message of every error after the bundled server's storage engine gave up; it answers nothing more."""


class Index(NamedTuple):
    """An index; always ascending and whole, as the bundled server needs them."""

    collection: str
    """Collection that it is on."""
    fields: tuple[str, ...]
    """Its fields."""
    is_unique: bool = True
    """Whether no two documents may agree in all of them."""


INDEXES = (
    Index("analyses", ("sae", "name")),
    Index("features", ("analysis", "index")),
    Index("samples", ("analysis", "index")),
    Index("feature_columns", ("analysis", "first")),
    Index("contexts", ("source", "context_idx")),
    Index("logits", ("table", "index")),
    Index("logit_columns", ("table", "first")),
    Index("explanations", ("sae", "analysis", "index")),
    # The bundled server reads all documents to change one by a condition that no index ends with.
    Index("explanations", ("sae", "analysis", "index", "is_by_hand"), is_unique=False),
    Index("explanations", ("sae", "analysis", "written_ms"), is_unique=False),
    Index("explanation_versions", ("sae", "analysis", "index"), is_unique=False),
    Index("explanation_failures", ("sae", "analysis", "index")),
    Index("annotations", ("sae", "index")),
    Index("list_items", ("list", "sae", "index")),
    Index("list_items", ("sae", "index"), is_unique=False),
    Index("comparison_columns", ("comparison", "start")),
    Index("comparison_columns", ("pair",), is_unique=False),
)
"""All indexes beside those on `_id`."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Store:
    """An open connection to the database of results. Close it, or use it in a `with` statement."""

    client: MongoClient[dict[str, Any]]
    """The connection."""
    database: Database[dict[str, Any]]
    """The database, with the collections of `documents`."""
    address: str
    """Where it is, without user and password: "localhost:27017"."""
    server: RunningServer | None
    """The bundled server, kept running while this is open; None for the user's own."""

    def __getitem__(self, collection: str) -> Collection[dict[str, Any]]:
        """The collection of this name."""
        return self.database[collection]

    def upsert(self, collection: str, same: Where, update: dict[str, Any]) -> None:
        """Changes the document that these conditions mean, or makes it; a unique index is on their fields."""
        try:
            self[collection].update_one(same.filter, update, upsert=True)
        except DuplicateKeyError:  # another one made it at the same time
            self[collection].update_one(same.filter, update, upsert=True)

    @contextmanager
    def readable_errors(self) -> Iterator[None]:
        """Failures that a person can mend become a `UserError`.

        Raises:
            UserError: MongoDB does not answer, refuses the user, is not the one that takes writes, or broke down.
        """
        with _readable_errors(self.address, is_bundled=self.server is not None):
            yield

    def close(self) -> None:
        """Ends the connection and, for the bundled server, its use."""
        self.client.close()
        if self.server is not None:
            self.server.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(cfg: MongoDBConfig | None, data: DataFolder) -> Store:
    """Connects to the MongoDB of the settings, or to the bundled server of the data folder, and makes its indexes.

    Raises:
        UserError: the URI cannot be read, or MongoDB does not answer.
    """
    cfg = cfg or MongoDBConfig()
    server = None if cfg.mongo_uri else running_server(data.mongo)
    try:
        uri = f"mongodb://{server.status.host}/?directConnection=true" if server else _full_uri(cfg.mongo_uri or "")
        client, database = _open(uri, cfg.mongo_db)
        store = Store(client, database, _hosts(uri), server)
        try:
            with store.readable_errors():
                client.admin.command("ping")
                _ensure_indexes(database)
        except BaseException:
            client.close()
            raise
    except BaseException:
        if server is not None:
            server.close()
        raise
    return store


def readable(function: Callable[Concatenate[Store, P], R]) -> Callable[Concatenate[Store, P], R]:
    """Decorates a function of the store, so that it fails as `Store.readable_errors` says."""

    @functools.wraps(function)
    def wrapped(store: Store, *args: P.args, **kwargs: P.kwargs) -> R:
        with store.readable_errors():
            return function(store, *args, **kwargs)

    return wrapped


def _full_uri(given: str) -> str:
    return given if "://" in given else f"mongodb://{given}"


def _hosts(uri: str) -> str:
    """The hosts of a URI. It never says anything that stands before the `@` or after the hosts.

    Raises:
        UserError: the text is no URI of MongoDB; the sentence does not repeat it, as it may hold a password.
    """
    found = URI.fullmatch(uri)
    if found is None or not all(HOST.fullmatch(host) for host in found["hosts"].split(",")):
        raise _unreadable_uri()
    hosts = found["hosts"].split(",")
    return ",".join(host if uri.startswith("mongodb+srv") or ":" in host else f"{host}:27017" for host in hosts)


def _unreadable_uri() -> UserError:
    return UserError(
        "`mongo_uri` (or MONGO_URI) cannot be read; write localhost, host:port, or mongodb://user:password@host:port "
        "with the special characters of user and password percent-encoded."
    )


def _open(uri: str, name: str) -> tuple[MongoClient[dict[str, Any]], Database[dict[str, Any]]]:
    _hosts(uri)
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            uri,
            serverSelectionTimeoutMS=WAIT_S * 1000,
            connectTimeoutMS=WAIT_S * 1000,
            socketTimeoutMS=ANSWER_S * 1000,
            tz_aware=True,
            appname="sae-assets",
        )
    except (InvalidURI, ConfigurationError, ValueError):
        raise _unreadable_uri() from None
    try:
        return client, client[name]
    except InvalidName:
        client.close()
        raise UserError(f"`mongo_db` cannot be {name!r}; use letters, digits, '_' and '-'.") from None


def _ensure_indexes(database: Database[dict[str, Any]]) -> None:
    for index in INDEXES:
        keys = [(field, ASCENDING) for field in index.fields]
        database[index.collection].create_index(keys, unique=index.is_unique)


@contextmanager
def _readable_errors(address: str, *, is_bundled: bool) -> Iterator[None]:
    try:
        yield
    except ConnectionFailure as error:
        if is_bundled:
            raise UnreachableError(
                f"The bundled MongoDB at {address} does not answer any more; run the command again, which starts it."
            ) from error
        waited = ANSWER_S if isinstance(error, NetworkTimeout) else WAIT_S
        raise UnreachableError(
            f"MongoDB at {address} did not answer within {waited} s; check `mongo_uri` (or MONGO_URI) or leave it out "
            "to use the bundled server."
        ) from None
    except OperationFailure as error:
        if error.code in REFUSED:
            raise UserError(
                f"MongoDB at {address} refuses the user of `mongo_uri` (or MONGO_URI): a wrong name or password, or no "
                "right to read and write the database."
            ) from None
        if error.code in NOT_PRIMARY:
            raise UserError(
                f"MongoDB at {address} takes no writes, as it is not the primary; name the replica set in `mongo_uri`."
            ) from None
        if is_bundled and BROKEN in str(error):
            raise UnreachableError(
                f"The database of the bundled MongoDB at {address} failed, most likely as the disk is full; make room, "
                "run `sae-assets mongo stop`, and run the command again."
            ) from error
        raise
