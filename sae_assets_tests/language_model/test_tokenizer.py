"""Character ranges cover a text in order, also where characters span tokens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sae_assets.language_model.tokenizer import TextTokenizer
from sae_assets.settings import LanguageModelConfig


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return TextTokenizer(LanguageModelConfig(model_name=str(tiny_model)))


def _joined(text, tokenized):
    """The text put together from the tokens' ranges, each character once."""
    pieces, done = [], 0
    for start, stop in zip(tokenized.starts, tokenized.stops, strict=True):
        assert start <= done
        pieces.append(text[max(start, done) : stop])
        done = max(done, int(stop))
    return "".join(pieces)


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
def test_ranges_join_to_the_text(tokenizer, text):
    assert _joined(text, tokenizer.encode(text)) == text


@pytest.mark.parametrize("text", ["a 👩‍🚀 b", "日本語の文", "naïve café", "tab\tand\nline", "  two spaces  "])
def test_multi_byte_characters_are_covered_whole_by_each_of_their_tokens(tokenizer, text):
    tokenized = tokenizer.encode(text)
    assert _joined(text, tokenized) == text
    assert (tokenized.stops > tokenized.starts).all()


def test_bytes_that_are_no_character_are_written_as_hex(tokenizer):
    pieces = [tokenizer.token_text(int(token)) for token in tokenizer.encode("日").ids]
    assert pieces == ["\\xe6", "\\x97", "\\xa5"]


def test_special_tokens_of_the_settings_win(tiny_model):
    tokenizer = TextTokenizer(LanguageModelConfig(model_name=str(tiny_model), bos_token_id=7))
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (7, 1, 2)
