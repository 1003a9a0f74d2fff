"""A web server in this process on real results: two checkpoints, explanations with scores, notes, tags and lists."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_saes
from sae_assets.runners.compare import compare_checkpoints
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets.settings import AnalyzeSAESettings
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets.store.annotations import annotate
from sae_assets.store.connection import Store
from sae_assets.store.explanations import record_explained, save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lists import add_to_list, create_list
from sae_assets.web.app import create_app
from sae_assets.web.server import opened_context
from sae_assets_tests.project import DEAD, HOOK_POINT, NAME, SAE_ID, SERIES, TinyProject
from sae_assets_tests.web.pages.dom import Element, parsed
from sae_assets_tests.web.serving import serving

LATER = "sae-later"
FIRST, SECOND = f"{SAE_ID}/default", f"{SERIES}/{LATER}/default"
HOSTILE = """</textarea></title><script>alert(1)</script> & "quotes" 'single' {{7*7}} {"$gt": ""} שלום"""
"""What a careless page would run, close a tag with, or show as something else."""
LIST = "<b>negation & 'more' 100%? 日本"
"""Name of a list."""
BOOKMARKED = 5
EXPLAINED = {2: "mentions of rivers and lakes", 5: "numbers of a street", 9: HOSTILE}
"""Explanations by feature; feature i has the score i / 10."""


@dataclass(frozen=True)
class Site:
    """A running server and a client that follows no redirect."""

    client: httpx.Client
    """Sends requests to the server."""
    followed: set[str] = field(default_factory=set)
    """Links that were found to lead somewhere."""

    def page(self, address: str, status: int = 200) -> Element:
        """The page at an address, which must be well-formed and whose links to other pages must lead somewhere."""
        return self.read(self.client.get(address), status)

    def read(self, response: httpx.Response, status: int = 200) -> Element:
        """The page of a response, looked at likewise."""
        assert response.status_code == status, response.text
        page = parsed(response.text)
        assert page.one("main").one("h1").text
        ids = [one["id"] for one in page.walk() if "id" in one.attributes]
        assert len(ids) == len(set(ids)), ids
        links = {str(response.url.join(link["href"])) for link in page.one("main").all("a")}
        for address in links - self.followed:
            if address.startswith(str(self.client.base_url)):
                assert self.client.get(address).status_code in (200, 303), address
        self.followed.update(links)
        return page


@pytest.fixture(scope="session")
def shown_project(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """Two analysed and compared checkpoints, and what people wrote."""
    project = tiny_project.copy(tmp_path_factory.mktemp("pages") / "project")
    _write_later(project)
    with project.served(), project.store() as store:
        analyze_saes([_settings(project, name) for name in (NAME, LATER)], data=project.data, progress=silent)
        direct_logit_attribute(project.logits_settings(), data=project.data, progress=silent)
        _write_marks(store)
        compare_checkpoints(store, project.data, FIRST, SECOND)
        yield project


@pytest.fixture(scope="session")
def site(shown_project: TinyProject) -> Iterator[Site]:
    """The server; tests that change something use features and lists of their own."""
    with served(shown_project) as site:
        yield site


def _write_later(project: TinyProject) -> None:
    """The same checkpoint with one feature dead and one in another direction."""
    folder = project.checkpoint.parent / LATER
    shutil.copytree(project.checkpoint, folder)
    weights = load_file(folder / "sae_weights.safetensors")
    weights["W_E"][:, 3], weights["b_E"][3] = 0, -1
    generator = torch.Generator().manual_seed(1)
    weights["W_E"][:, 7], weights["W_D"][7] = torch.randn(2, *weights["W_D"][7].shape, generator=generator)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "sae_weights.safetensors")


def _settings(project: TinyProject, name: str) -> AnalyzeSAESettings:
    folder = project.checkpoints / SERIES / name
    settings = checkpoint_settings(folder, {}, CheckpointFacts(hook_point=HOOK_POINT), project.root)
    return settings.for_analysis(folder, SERIES, name)


def _write_marks(store: Store) -> None:
    save_explanations(
        store,
        [
            ExplanationVersionDocument(
                sae=SAE_ID,
                analysis="default",
                index=index,
                text=text,
                scores=[{"scorer": "detection", "value": index / 10}],
                model="a-model",
            )
            for index, text in EXPLAINED.items()
        ],
    )
    record_explained(store, SAE_ID, "default")
    annotate(store, SAE_ID, 9, ["<i>tag</i>"], "a note")
    create_list(store, LIST, HOSTILE)
    for index in (2, 9, DEAD):
        add_to_list(store, LIST, SAE_ID, index, HOSTILE)
    add_to_list(store, "bookmarks", SAE_ID, BOOKMARKED)


@contextmanager
def served(project: TinyProject, embedding: EmbeddingConfig | None = None) -> Iterator[Site]:
    """A server on a project's data."""
    with (
        opened_context(None, project.data, embedding) as context,
        serving(create_app(context)) as url,
        httpx.Client(base_url=url, timeout=120) as client,
    ):
        yield Site(client)
