"""Logits are read back bit for bit with the texts of their tokens, and a damaged file is one sentence."""

from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from upath import UPath

from sae_assets.analysis import result_table
from sae_assets.analysis.logits import FeatureLogits, attribute_logits
from sae_assets.analysis.logits_file import logits_about, read_logits, write_logits
from sae_assets.settings import DirectLogitAttributorConfig, UserError


def random_logits(n_features: int, vocab: int, top_k: int, seed: int) -> FeatureLogits:
    generator = torch.Generator().manual_seed(seed)
    decoder, unembedding = torch.randn(n_features, 3, generator=generator), torch.randn(3, vocab, generator=generator)
    return attribute_logits(decoder, unembedding, DirectLogitAttributorConfig(variant="raw", top_k=top_k), None)


def assert_bits_equal(one: FeatureLogits, other: FeatureLogits) -> None:
    assert one.variant == other.variant
    for field in fields(FeatureLogits):
        if field.name != "variant":
            value, again = getattr(one, field.name), getattr(other, field.name)
            assert value.dtype == again.dtype and value.shape == again.shape, field.name
            assert value.numpy().tobytes() == again.numpy().tobytes(), field.name


@pytest.fixture
def written(tmp_path) -> UPath:
    path = UPath(tmp_path / "folder" / "logits.parquet")
    write_logits(path, random_logits(30, 50, 4, 0), lambda token: f"<{token}>", "0123")
    return path


@settings(max_examples=40, deadline=None)
@given(
    n_features=st.integers(1, 9),
    texts=st.lists(st.text(max_size=5), min_size=1, max_size=30),
    top_k=st.integers(1, 12),
    rows_a_group=st.integers(1, 10),
    seed=st.integers(0, 10**6),
)
def test_what_is_read_is_bit_for_bit_what_was_written(n_features, texts, top_k, rows_a_group, seed):
    logits = random_logits(n_features, len(texts), top_k, seed)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(result_table, "ROWS_A_GROUP", rows_a_group)
        path = UPath(folder) / "logits.parquet"
        write_logits(path, logits, texts.__getitem__, "0123")
        stored = read_logits(path)
        assert logits_about(path) == "0123"
    assert_bits_equal(stored.logits, logits)
    named = {*logits.top_tokens.flatten().tolist(), *logits.bottom_tokens.flatten().tolist()}
    assert stored.texts == {token: texts[token] for token in named}


def test_each_tokens_text_is_asked_for_once(tmp_path):
    asked: list[int] = []

    def token_text(token: int) -> str:
        asked.append(token)
        return str(token)

    write_logits(UPath(tmp_path / "logits.parquet"), random_logits(30, 10, 4, 0), token_text, "0123")
    assert sorted(set(asked)) == sorted(asked)


def test_a_row_is_a_feature_with_its_tokens_in_words(written):
    logits = read_logits(written).logits
    for feature, row in enumerate(pq.read_table(str(written)).to_pylist()):
        assert row["index"] == feature
        for end in ("top", "bottom"):
            assert row[f"{end}_tokens"] == getattr(logits, f"{end}_tokens")[feature].tolist()
            assert row[f"{end}_logits"] == getattr(logits, f"{end}_logits")[feature].tolist()
            assert row[f"{end}_texts"] == [f"<{token}>" for token in row[f"{end}_tokens"]]
        assert row["maximum"] == logits.maximum[feature]
        assert sum(row["histogram"]) == 50


def test_a_missing_file_is_about_nothing_and_cannot_be_read(tmp_path):
    path = UPath(tmp_path / "logits.parquet")
    assert logits_about(path) is None
    with pytest.raises(UserError, match=r"missing or damaged; .* run `direct_logit_attributions` again"):
        read_logits(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.99])
def test_a_truncated_file_is_about_nothing_and_cannot_be_read(written, share):
    whole = Path(str(written)).read_bytes()
    Path(str(written)).write_bytes(whole[: int(len(whole) * share)])
    assert logits_about(written) is None
    with pytest.raises(UserError, match="run `direct_logit_attributions` again"):
        read_logits(written)


def test_a_text_that_cannot_be_made_leaves_no_file(tmp_path):
    path = UPath(tmp_path / "logits.parquet")
    with pytest.raises(IndexError):
        write_logits(path, random_logits(3, 9, 4, 0), ["a"].__getitem__, "0123")
    assert list(tmp_path.iterdir()) == []
