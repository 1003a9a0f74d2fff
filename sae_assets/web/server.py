"""Running the web application: the socket, what the app works with, and how it ends."""

from __future__ import annotations

import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from sae_assets.disk.layout import DataFolder
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.settings.errors import UserError
from sae_assets.settings.mongo import MongoDBConfig
from sae_assets.store.connection import connect
from sae_assets.web.app import create_app
from sae_assets.web.catalogue import Catalogue
from sae_assets.web.context import WebContext
from sae_assets.web.inference.service import InferenceService
from sae_assets.web.security import LOOPBACK, Access

DAGSTER_VARIABLE = "SAE_ASSETS_DAGSTER_URL"
DAGSTER_URL = "http://127.0.0.1:3000"
"""Where `dagster dev` listens unless told otherwise."""
PATIENCE_S = 2
"""Seconds that requests have to end when the server is stopped."""
WAITING_CONNECTIONS = 2048


def serve(host: str, port: int, access: Access, data: DataFolder, embedding: EmbeddingConfig) -> None:
    """Serves the results of a data folder until it is interrupted.

    Raises:
        UserError: the address cannot be listened on, or the store is not to be had.
    """
    with _listening(host, port) as listener, opened_context(None, data, embedding) as context:
        url = f"http://{_in_url(host)}:{listener.getsockname()[1]}"
        if access.token is None and host.lower() not in LOOPBACK:
            print(
                f"sae-assets: OPEN TO EVERYBODY who reaches {url}: whoever does can read all results and change "
                "explanations, tags and lists. Give --token to ask for one.",
                file=sys.stderr,
            )
        gc.collect()
        gc.freeze()  # what the imports made is never garbage; a look through it would hold requests up
        config = uvicorn.Config(
            create_app(context, access),
            log_level="warning",
            access_log=False,  # it would hold tokens, which stand in the first URL
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=PATIENCE_S,
        )
        try:
            with _ended_by_sigterm():
                _Server(config, url).run([listener])
        except KeyboardInterrupt:
            pass


@contextmanager
def opened_context(
    mongo: MongoDBConfig | None, data: DataFolder, embedding: EmbeddingConfig | None = None
) -> Iterator[WebContext]:
    """All that the app works with, closed at the end.

    Raises:
        UserError: the store is not to be had, or a setting cannot be used.
    """
    with connect(mongo, data) as store:
        context = WebContext(
            store=store,
            catalogue=Catalogue(store),
            inference=InferenceService(store, mongo, data),
            meaning=_meaning(store, embedding),
            dagster_url=_dagster_url(),
        )
        try:
            yield context
        finally:
            context.close()


class _Server(uvicorn.Server):
    """Says where it is once it answers."""

    def __init__(self, config: uvicorn.Config, url: str):
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(f"sae-assets is at {self._url} (Ctrl-C ends it).", flush=True)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise UserError(f"The address {host!r} of --host cannot be found.") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(WAITING_CONNECTIONS)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise UserError(f"Port {port} is taken; end what uses it, or give another one by --port.") from None
            raise UserError(f"{host}:{port} cannot be listened on: {error.strerror}.") from None
        yield listener


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the server as Ctrl-C does: what it has opened is closed."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _meaning(store: Any, embedding: EmbeddingConfig | None) -> Any:
    if embedding is None or embedding.model is None:
        return None
    from sae_assets.interpretation.embeddings import Embedder
    from sae_assets.web.meaning import MeaningSearch

    return MeaningSearch(store, Embedder(embedding))


def _dagster_url() -> str | None:
    """Where Dagster is; an empty variable says that there is none."""
    url = os.environ.get(DAGSTER_VARIABLE, DAGSTER_URL).rstrip("/")
    if url and not url.startswith(("http://", "https://")):
        raise UserError(f"{DAGSTER_VARIABLE} is {url!r}; it must begin with http:// or https://.")
    return url or None


def _in_url(host: str) -> str:
    """The host as it stands in a URL: an address that stands for all is reached by the loopback."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{name}]" if ":" in name else name
