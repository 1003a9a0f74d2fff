"""What every test may use: a tiny model, made once, and a data folder of its own."""

from pathlib import Path

import pytest
import torch

from sae_assets_tests.language_model.tiny_model import write_tiny_model

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a two-layer language model."""
    return write_tiny_model(tmp_path_factory.mktemp("tiny-model"))
