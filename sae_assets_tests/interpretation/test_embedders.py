"""The embedding model of the scores: one at an endpoint, or a real sentence-transformers model in a local folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.embedders import TextEmbedder, open_embedder
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.settings import AutoInterpConfig, UserError
from sae_assets.settings.embedding import EmbeddingConfig
from sae_assets_tests.interpretation.embedding_server import EmbeddingServer
from sae_assets_tests.language_model.tiny_model import SENTENCES, write_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence model: the tiny language model and the mean over its tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    language_model = modules.Transformer(str(write_tiny_model(tmp_path_factory.mktemp("language_model"))))
    mean = modules.Pooling(language_model.get_embedding_dimension(), "mean")
    folder = tmp_path_factory.mktemp("sentence_model")
    SentenceTransformer(modules=[language_model, mean], device="cpu").save(str(folder))
    return folder


def opened(**fields: Any) -> TextEmbedder:
    return open_embedder(AutoInterpConfig(embedding=EmbeddingConfig(**fields)))


@pytest.fixture
def embedder(folder: Path) -> Iterator[TextEmbedder]:
    embedder = opened(sentence_model=str(folder))
    yield embedder
    embedder.close()


def test_sentence_model_gives_each_text_a_vector_of_length_1(embedder: TextEmbedder) -> None:
    vectors, usage = embedder.embed([*SENTENCES, SENTENCES[0]])
    assert usage == Usage()
    assert vectors.shape == (len(SENTENCES) + 1, 32)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[-1], rtol=1e-4, atol=1e-6)
    assert (vectors[1:-1] @ vectors[0] < 0.999).all(), "other texts have other vectors"


def test_vector_does_not_depend_on_what_is_embedded_with_it(embedder: TextEmbedder) -> None:
    alone = np.concatenate([embedder.embed([text]).vectors for text in SENTENCES])
    np.testing.assert_allclose(embedder.embed(SENTENCES).vectors, alone, rtol=1e-3, atol=1e-5)


def test_no_texts_have_no_vectors(embedder: TextEmbedder) -> None:
    assert embedder.embed([]).vectors.shape == (0, 32)


def test_many_threads_ask_one_sentence_model(embedder: TextEmbedder) -> None:
    first = embedder.embed(SENTENCES).vectors
    with ThreadPoolExecutor(8) as pool:
        for embedded in pool.map(embedder.embed, [SENTENCES] * 16):
            np.testing.assert_allclose(embedded.vectors, first, rtol=1e-3, atol=1e-5)


def test_sentence_model_comes_before_the_endpoint(folder: Path) -> None:
    with EmbeddingServer() as server:
        embedder = opened(model="m", base_url=server.base_url, sentence_model=str(folder))
        assert embedder.embed(["cat"]).vectors.shape == (1, 32)
        assert server.requests == []


def test_sentence_model_costs_nothing_and_its_vectors_are_not_kept(folder: Path, tmp_path: Path) -> None:
    cfg = AutoInterpConfig(embedding=EmbeddingConfig(sentence_model=str(folder), model="without a price"))
    ledger = Ledger(max_cost=1e-9, max_tokens=1)
    embedder = open_embedder(cfg, ledger, VectorCache(tmp_path / "answers.sqlite"))
    assert embedder.embed(SENTENCES).usage == ledger.spent == Usage()
    assert not (tmp_path / "answers.sqlite").exists()


def test_endpoint_is_asked_where_no_sentence_model_is_named(embeddings: EmbeddingServer) -> None:
    embedder = opened(model="m", base_url=embeddings.base_url)
    assert embedder.embed(["cat"]).vectors.shape == (1, 8)
    embedder.close()
    assert embeddings.sent == [["cat"]]


def test_no_model_at_all_is_told_with_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAE_ASSETS_EMBEDDING_MODEL", raising=False)
    with pytest.raises(UserError) as told:
        opened()
    assert str(told.value) == (
        "No embedding model is configured; set auto_interp.embedding.model (or SAE_ASSETS_EMBEDDING_MODEL) for one at "
        "an endpoint, or auto_interp.embedding.sentence_model for one on this machine."
    )


def test_folder_that_is_missing_or_holds_no_model_is_told(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(UserError, match=r"sentence_model is '.*missing', and there is no such folder\.$"):
        opened(sentence_model=missing)
    with pytest.raises(UserError, match=r"^The folder '.*' of auto_interp\.embedding\.sentence_model holds no model"):
        opened(sentence_model=str(tmp_path))


def test_name_that_the_hub_does_not_have_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"^The sentence model 'nobody/nothing' is neither a local folder nor on the"):
        opened(sentence_model="nobody/nothing")


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            (tmp_path / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file.relative_to(folder)).write_bytes(file.read_bytes())
    (tmp_path / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "own.Module"}]')
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'was_run')!r}, 'w')\nclass Module: pass\n")
    with pytest.raises(UserError, match="holds no model that sentence-transformers can read"):
        opened(sentence_model=str(tmp_path))
    assert not (tmp_path / "was_run").exists()


def test_missing_package_is_told_with_how_to_install_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"run `pip install 'sae-assets\[sentences\]'`\.$"):
        opened(sentence_model=str(folder))


def test_sentence_transformers_is_not_loaded_before_a_model_is_named() -> None:
    code = (
        "import sys, sae_assets.interpretation.embedders, sae_assets.interpretation.scorers;"
        "assert not {'sentence_transformers', 'torch', 'openai'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
