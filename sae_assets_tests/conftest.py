"""What every test may use: a tiny model and a small project, made once, and nothing of the machine's own services."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.language_model.tiny_model import write_tiny_model
from sae_assets_tests.project import TinyProject, write_project

torch.set_num_threads(1)
for _name in [name for name in os.environ if name.startswith(("OPENAI_", "MONGO_"))]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a two-layer language model."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def tiny_project(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[TinyProject]:
    """A project whose data folder all tests share; what one analyses there, another finds done."""
    with write_project(tmp_path_factory.mktemp("tiny-project"), tiny_model).served() as project:
        yield project


@pytest.fixture
def embeddings() -> Iterator[EmbeddingServer]:
    """An endpoint for embeddings, whose vectors are known."""
    with EmbeddingServer() as server:
        yield server


@pytest.fixture
def fresh_project(tmp_path: Path, tiny_project: TinyProject) -> Iterator[TinyProject]:
    """The same project with a data folder of this test's own, empty but for its server."""
    with tiny_project.copy(tmp_path / "project").served() as project:
        yield project
