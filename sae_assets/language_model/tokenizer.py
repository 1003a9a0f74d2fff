"""From text to token ids, each with the range of characters it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int32

from sae_assets.settings.errors import UserError
from sae_assets.settings.model import LanguageModelConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class TokenizedText(NamedTuple):
    """A text as token ids, without any special token added."""

    ids: Int32[np.ndarray, "token"]
    """Token ids."""
    starts: Int32[np.ndarray, "token"]
    """First character that each token holds a byte of."""
    stops: Int32[np.ndarray, "token"]
    """Character after the last that each token holds a byte of. Tokens that share a character all cover it whole."""


class TokenAlignment(NamedTuple):
    """Given tokens and the text that they were laid along."""

    text: str
    """The text."""
    tokenized: TokenizedText
    """The tokens, with their ranges in it."""


def model_location(cfg: LanguageModelConfig) -> str:
    """The local folder or hub name that model and tokenizer are loaded from."""
    return cfg.model_from_pretrained_path or cfg.model_name


class TextTokenizer:
    """The tokenizer of a language model, loaded without the model."""

    def __init__(self, cfg: LanguageModelConfig):
        """Loads the tokenizer.

        Raises:
            UserError: it is neither a local folder nor a hub name that can be reached, or it gives no character ranges.
        """
        self.hugging_face = _load(cfg)
        self.prepend_bos = cfg.prepend_bos
        self.bos_id = _first_set(cfg.bos_token_id, self.hugging_face.bos_token_id, self.hugging_face.eos_token_id)
        self.eos_id = _first_set(cfg.eos_token_id, self.hugging_face.eos_token_id)
        self.pad_id = _first_set(cfg.pad_token_id, self.hugging_face.pad_token_id, self.eos_id, self.bos_id)

    @property
    def vocab_size(self) -> int:
        """Number of token ids, added ones included."""
        return len(self.hugging_face)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """The ids for beginning, end and padding, which count nowhere unless settings say otherwise."""
        return frozenset(token for token in (self.bos_id, self.eos_id, self.pad_id) if token is not None)

    def encode(self, text: str) -> TokenizedText:
        """Token ids and character ranges of one text."""
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Token ids and character ranges of texts; the ranges of a text's tokens cover it without a gap."""
        encodings = self.hugging_face(
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        pairs = zip(texts, encodings["input_ids"], encodings["offset_mapping"], strict=True)
        return [_without_gaps(text, ids, offsets) for text, ids, offsets in pairs]

    def with_text(self, token_ids: Sequence[int]) -> TokenAlignment:
        """Token ids that are given, with a text for them.

        The text is what they decode to; where that would be tokenized otherwise, it is put together token by token.
        """
        text = self._decode(token_ids)
        tokenized = self.encode(text)
        ids = np.asarray(token_ids, dtype=np.int32)
        if np.array_equal(tokenized.ids, ids):
            return TokenAlignment(text, tokenized)
        pieces = [self.token_text(int(token)) for token in token_ids]
        stops = np.cumsum([len(piece) for piece in pieces], dtype=np.int32)
        starts = np.concatenate([[0], stops[:-1]]).astype(np.int32) if len(pieces) else stops
        return TokenAlignment("".join(pieces), TokenizedText(ids, starts, stops))

    def token_text(self, token_id: int) -> str:
        """A token as a person reads it; bytes that are no whole character are written as `\\xNN`."""
        text = self._decode([token_id])
        if "\ufffd" not in text:
            return text
        return "".join(_byte_text(char) for char in str(self.hugging_face.convert_ids_to_tokens(token_id)))

    def _decode(self, token_ids: Sequence[int]) -> str:
        return str(self.hugging_face.decode(list(token_ids), clean_up_tokenization_spaces=False))


def _load(cfg: LanguageModelConfig) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer

    location = model_location(cfg)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            location, cache_dir=cfg.cache_dir, local_files_only=cfg.local_files_only, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise cannot_load(cfg, error) from error
    if not tokenizer.is_fast:
        raise UserError(f"The tokenizer of {location!r} gives no character ranges; a fast tokenizer is needed.")
    return tokenizer


def cannot_load(cfg: LanguageModelConfig, error: Exception) -> UserError:
    """The error for a model or tokenizer that is not where the settings say."""
    location = model_location(cfg)
    if Path(location).is_dir():
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        return UserError(f"The folder {location!r} holds no language model that transformers can read: {reason}.")
    return UserError(
        f"The language model {location!r} is neither a local folder nor on the Hugging Face hub as far as can be "
        "reached; check `model_name` or `model_from_pretrained_path`."
    )


def _first_set(*ids: object) -> int | None:
    return next((token for token in ids if isinstance(token, int)), None)


def _without_gaps(text: str, ids: Sequence[int], offsets: Sequence[tuple[int, int]]) -> TokenizedText:
    """Gives what lies between two tokens' ranges, such as a trimmed space, to the later token."""
    ranges = np.asarray(offsets, dtype=np.int32).reshape(-1, 2)
    if len(ranges) == 0:
        return TokenizedText(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))
    stops = np.maximum.accumulate(ranges[:, 1])
    stops[-1] = len(text)
    covered = np.concatenate([[0], stops[:-1]]).astype(np.int32)
    starts = np.minimum(ranges[:, 0], covered)
    return TokenizedText(np.asarray(ids, dtype=np.int32), starts, stops)


def _byte_text(char: str) -> str:
    """One character of a byte-level token as the byte it stands for."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    byte = {char: byte for byte, char in bytes_to_unicode().items()}.get(char)
    return char if byte is None or 32 <= byte < 127 else f"\\x{byte:02x}"
