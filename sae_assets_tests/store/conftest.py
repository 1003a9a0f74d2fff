"""A real server for all tests of the store, a database of its own for each, and a count of what is sent."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import monitoring
from upath import UPath

from sae_assets.disk.layout import DataFolder
from sae_assets.settings import MongoDBConfig
from sae_assets.store.connection import Store, connect
from sae_assets.store.server import running_server, stop_server


class SentCommands(monitoring.CommandListener):
    """The names of the commands that were sent, in their order."""

    def __init__(self):
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


SENT = SentCommands()
monitoring.register(SENT)


@pytest.fixture
def sent() -> SentCommands:
    """What is sent from here on."""
    SENT.names.clear()
    return SENT


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataFolder]:
    """A data folder, with its server where no other MongoDB is given to test."""
    folder = DataFolder(UPath(tmp_path_factory.mktemp("data")))
    if os.environ.get("SAE_ASSETS_TEST_MONGO_URI"):
        yield folder
        return
    with running_server(folder.mongo, grace_s=1):
        yield folder
    stop_server(folder.mongo)


@pytest.fixture
def mongo_cfg() -> MongoDBConfig:
    """A new database, on the MongoDB that the environment names for tests or on the bundled server."""
    uri = os.environ.get("SAE_ASSETS_TEST_MONGO_URI") or None
    return MongoDBConfig(mongo_uri=uri, mongo_db=f"test_{uuid.uuid4().hex[:12]}")


@pytest.fixture
def store(data: DataFolder, mongo_cfg: MongoDBConfig) -> Iterator[Store]:
    """An empty store."""
    with connect(mongo_cfg, data) as store:
        yield store
        store.client.drop_database(store.database.name)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a server of this test's own."""
    yield tmp_path / "data" / "mongo"
    stop_server(tmp_path / "data" / "mongo")
