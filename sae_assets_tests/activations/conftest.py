"""What the tests of activations share: the tiny model, loaded once, and its tokenizer."""

import pytest

from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.language_model.tokenizer import TextTokenizer
from sae_assets.settings import LanguageModelConfig


@pytest.fixture(scope="session")
def model_cfg(tiny_model) -> LanguageModelConfig:
    """Settings of the tiny model."""
    return LanguageModelConfig(model_name=str(tiny_model))


@pytest.fixture(scope="session")
def model(model_cfg) -> TransformerLensLanguageModel:
    """The tiny model; no test may change its weights."""
    return TransformerLensLanguageModel(model_cfg)


@pytest.fixture(scope="session")
def tokenizer(model_cfg) -> TextTokenizer:
    """The tiny model's tokenizer."""
    return TextTokenizer(model_cfg)
