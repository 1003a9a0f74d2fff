"""A MongoDB that cannot be used is named in one sentence, without what is secret in its URI."""

import pytest
from pymongo.errors import OperationFailure
from upath import UPath

from sae_assets.disk.layout import DataFolder
from sae_assets.settings import MongoDBConfig, UserError
from sae_assets.store.connection import INDEXES, connect
from sae_assets.store.lists import add_to_list, items_of
from sae_assets.store.server import running_server, server_status, stop_server

READABLE = (
    "`mongo_uri` (or MONGO_URI) cannot be read; write localhost, host:port, or mongodb://user:password@host:port with "
    "the special characters of user and password percent-encoded."
)


@pytest.mark.parametrize(
    "uri", ["127.0.0.1:1", "mongodb://alice:hunter2@127.0.0.1:1/?appName=hunter2&retryWrites=false"]
)
def test_unreachable_server_is_named_without_user_and_password(uri, tmp_path):
    with pytest.raises(UserError) as error:
        connect(MongoDBConfig(mongo_uri=uri), DataFolder(UPath(tmp_path)))
    assert str(error.value) == (
        "MongoDB at 127.0.0.1:1 did not answer within 5 s; check `mongo_uri` (or MONGO_URI) or leave it out to use the "
        "bundled server."
    )


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://alice:hun/ter2@127.0.0.1:1",
        "mongodb://alice:hunter2@@127.0.0.1:1",
        "mongodb://alice:hunter2@127.0.0.1:99999",
        "postgres://alice:hunter2@127.0.0.1",
    ],
)
def test_uri_that_cannot_be_read_is_not_repeated(uri, tmp_path):
    with pytest.raises(UserError) as error:
        connect(MongoDBConfig(mongo_uri=uri), DataFolder(UPath(tmp_path)))
    assert str(error.value) == READABLE


def test_host_and_port_are_enough_and_the_user_is_no_part_of_the_address(folder):
    with running_server(folder) as server:
        data = DataFolder(UPath(folder.parent))
        with connect(MongoDBConfig(mongo_uri=server.status.host), data) as plain:
            add_to_list(plain, "bookmarks", "demo/l10", 3)
        # The server asks for no password, so a user may be given only where it is not used.
        with connect(MongoDBConfig(mongo_uri=f"mongodb://{server.status.host}/?appName=secret"), data) as full:
            assert full.address == server.status.host
            assert [one.index for one in items_of(full, "bookmarks")] == [3]


def test_connection_keeps_the_bundled_server_and_closing_lets_it_go(folder, monkeypatch):
    monkeypatch.delenv("MONGO_URI", raising=False)
    data = DataFolder(UPath(folder.parent))
    with connect(None, data) as store:
        status = server_status(folder)
        assert status is not None
        assert store.address == status.host
        assert store.server is not None


def test_indexes_are_ascending_and_whole(store):
    for collection in {index.collection for index in INDEXES}:
        indexes = [one for name, one in store[collection].index_information().items() if name != "_id_"]
        assert sorted((one["key"], one.get("unique", False)) for one in indexes) == sorted(
            ([(field, 1) for field in index.fields], index.is_unique)
            for index in INDEXES
            if index.collection == collection
        )
        assert all("partialFilterExpression" not in one for one in indexes)


def test_server_that_goes_away_later_is_a_readable_mistake(folder):
    with connect(MongoDBConfig(mongo_uri=None), DataFolder(UPath(folder.parent))) as store:
        stop_server(folder)
        with pytest.raises(UserError, match="does not answer any more; run the command again"):
            items_of(store, "bookmarks")


@pytest.mark.parametrize(("code", "words"), [(18, "refuses the user"), (13, "refuses the user"), (10107, "no writes")])
def test_refusals_are_readable(store, code, words):
    with pytest.raises(UserError, match=words), store.readable_errors():
        raise OperationFailure("alice:hunter2", code)


def test_database_that_broke_down_is_readable(store):
    with (
        pytest.raises(UserError, match="the disk is full; make room, run `sae-assets mongo stop`"),
        store.readable_errors(),
    ):
        raise OperationFailure('WtError { code: -31804, message: "WT_PANIC: WiredTiger library panic" }', 1)


def test_other_failures_stay_what_they_are(store):
    with pytest.raises(OperationFailure), store.readable_errors():
        store.database.command("noSuchCommand")


def test_bundled_server_needs_a_local_data_folder(monkeypatch):
    monkeypatch.delenv("MONGO_URI", raising=False)
    with pytest.raises(UserError, match=r"needs a local data folder and memory://bucket/data is none; set `mongo_uri`"):
        connect(None, DataFolder(UPath("memory://bucket/data")))


def test_database_name_is_checked(data):
    with pytest.raises(UserError, match="`mongo_db` cannot be 'a b'"):
        connect(MongoDBConfig(mongo_db="a b"), data)
