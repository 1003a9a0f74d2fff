"""The embedding endpoint comes from the environment: its own variables first, then those of explanations."""

import pytest

from sae_assets.settings import UserError
from sae_assets.settings.embedding import EmbeddingConfig


@pytest.fixture(autouse=True)
def _nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL", "BASE_URL", "API_KEY", "DIMENSIONS"):
        monkeypatch.delenv(f"SAE_ASSETS_EMBEDDING_{name}", raising=False)


def test_search_by_meaning_is_off_unless_a_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert EmbeddingConfig().model is None


def test_endpoint_is_that_of_explanations_unless_it_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://explains/v1")
    shared = EmbeddingConfig(model="m")
    monkeypatch.setenv("SAE_ASSETS_EMBEDDING_API_KEY", "other")
    monkeypatch.setenv("SAE_ASSETS_EMBEDDING_BASE_URL", "http://embeds/v1")
    own = EmbeddingConfig(model="m")
    assert shared.api_key is not None and own.api_key is not None
    assert (shared.base_url, shared.api_key.get_secret_value()) == ("http://explains/v1", "key")
    assert (own.base_url, own.api_key.get_secret_value()) == ("http://embeds/v1", "other")
    assert "other" not in repr(own)


def test_number_of_dimensions_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAE_ASSETS_EMBEDDING_DIMENSIONS", "256")
    assert EmbeddingConfig().dimensions == 256
    assert EmbeddingConfig(dimensions=8).dimensions == 8


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "70000", "²", "9" * 5000])
def test_number_of_dimensions_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SAE_ASSETS_EMBEDDING_DIMENSIONS", value)
    with pytest.raises(UserError, match=r"SAE_ASSETS_EMBEDDING_DIMENSIONS .*give a whole number"):
        EmbeddingConfig()
