"""A web server on the results of a real, small analysis, some of whose features are explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_sae
from sae_assets.runners.logits import direct_logit_attribute
from sae_assets.store.explanations import explained_features, save_explanations
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.web.app import create_app
from sae_assets.web.context import WebContext
from sae_assets.web.server import opened_context
from sae_assets_tests.project import D_SAE, SAE_ID, TinyProject
from sae_assets_tests.web.serving import serving

WORDS = ("rivers", "lakes", "Straße", "negation", "numbers", "日本語", "code", "verbs", "$gt", "İstanbul")
UNEXPLAINED = range(50, D_SAE)
"""Features without an explanation."""


@dataclass(frozen=True)
class Web:
    """A server and what it works with."""

    client: httpx.Client
    """Sends requests to the server; follows no redirect."""
    context: WebContext
    """What the server works with."""
    app: FastAPI
    """The application."""
    project: TinyProject
    """Where the results lie."""

    @property
    def explained(self) -> set[int]:
        """Features that have an explanation by now."""
        return explained_features(self.context.store, SAE_ID, "default")

    def get(self, path: str, **query: object) -> httpx.Response:
        """The answer of the API to a GET."""
        return self.client.get(f"/api/v1{path}", params={name: str(value) for name, value in query.items()})

    def features(self, **query: object) -> dict:
        """A page of the list of features."""
        response = self.get(f"/saes/{SAE_ID}/default/features", **query)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, tiny_project: TinyProject) -> Iterator[Web]:
    """The server; tests that change something use features and lists of their own, and features from 50 on."""
    project = tiny_project.copy(tmp_path_factory.mktemp("web") / "project")
    with project.served():
        analyze_sae(project.analyze_settings(), data=project.data, progress=silent)
        direct_logit_attribute(project.logits_settings(), data=project.data, progress=silent)
        with opened_context(None, project.data) as context:
            save_explanations(context.store, [_explanation(index) for index in range(UNEXPLAINED.start)])
            app = create_app(context)
            with serving(app) as url, httpx.Client(base_url=url, timeout=120) as client:
                yield Web(client, context, app, project)


def _explanation(index: int) -> ExplanationVersionDocument:
    """Scores by two scorers; some are missing, some equal."""
    detection = None if index % 7 == 3 else (index % 11) / 10
    return ExplanationVersionDocument(
        sae=SAE_ID,
        analysis="default",
        index=index,
        text=f"mentions of {WORDS[index % len(WORDS)]} and {WORDS[index * 3 % len(WORDS)]}",
        scores=[{"scorer": "detection", "value": detection, "n": 10}]
        + ([{"scorer": "simulation", "value": index / 25 - 1}] if index % 2 else []),
        explainer="openai",
        model="a-model",
        prompt=f"the prompt of {index}",
        answer="the answer",
        usage={"requests": 1},
        seconds=0.5,
    )
