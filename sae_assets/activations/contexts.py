"""Contexts: token windows of one length, cut from documents, each with its text and every token's characters."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from sae_assets.activations.context import Context
from sae_assets.activations.documents import Document, documents_of
from sae_assets.language_model.tokenizer import TextTokenizer, TokenizedText
from sae_assets.settings.activation import ActivationFactoryConfig, ActivationFactoryDatasetSource
from sae_assets.settings.errors import UserError, unknown

DEFAULT_CONTEXT_SIZE = 128
DOCUMENTS_AT_A_TIME = 16
"""Documents that are tokenized together."""


@dataclass(frozen=True)
class Piece:
    """Tokens of one document, from the first to the last that a context holds."""

    dataset: str
    """Name of the document's source."""
    document_idx: int
    """Place of the document in its dataset."""
    text: str
    """The document's text."""
    tokenized: TokenizedText
    """The tokens, with their ranges in the document's text."""
    prepend_bos: bool
    """Whether contexts of this source begin with BOS; never where the tokenizer has none."""


def cut_contexts(
    cfg: ActivationFactoryConfig,
    datasets: Mapping[str, Any],
    tokenizer: TextTokenizer,
    token_budget: int | None,
    ignore_token_ids: Sequence[int] = (),
) -> Iterator[Context]:
    """Contexts from all dataset sources, until exactly `token_budget` tokens count (all documents where it is None).

    Several sources are mixed document by document with their weights and a fixed seed; one that ends drops out.
    `ignore_token_ids` are ignored beside those of the settings.

    Raises:
        UserError: a dataset is missing, cannot be read or has no text.
    """
    documents = _tokenized_documents(cfg, datasets, tokenizer)
    windows = _packed(documents, cfg, tokenizer) if cfg.pack_documents else _one_each(documents, cfg)
    assemble = _Assembler(cfg, tokenizer, ignore_token_ids)
    left = token_budget
    for context_idx, window in enumerate(windows):
        context = assemble(context_idx, window, left)
        yield context
        if left is not None:
            left -= int(context.mask.sum())
            if left == 0:
                return


def _tokenized_documents(
    cfg: ActivationFactoryConfig, datasets: Mapping[str, Any], tokenizer: TextTokenizer
) -> Iterator[Piece]:
    """The tokenized documents of all sources in their mixed order; empty ones are left out."""
    sources = [source for source in cfg.sources if isinstance(source, ActivationFactoryDatasetSource)]
    streams = {}
    for source in sources:
        if datasets.get(source.name) is None:
            raise unknown("dataset", source.name, datasets, where="`datasets`")
        streams[source.name] = _pieces(source, datasets[source.name], tokenizer)
    weights = {source.name: source.sample_weights for source in sources}
    draw = random.Random(cfg.seed)
    n_given = dict.fromkeys(streams, 0)
    while streams:
        name = draw.choices(list(streams), [weights[stream] for stream in streams])[0]
        piece = next(streams[name], None)
        if piece is not None:
            n_given[name] += 1
            yield piece
            continue
        if n_given[name] == 0:
            raise UserError(f"The dataset {name!r} is empty: it has no document with a token.")
        del streams[name]


def _pieces(source: ActivationFactoryDatasetSource, dataset: Any, tokenizer: TextTokenizer) -> Iterator[Piece]:
    documents = documents_of(source.name, dataset, source.is_dataset_tokenized)
    prepend_bos = source.prepend_bos and tokenizer.prepend_bos and tokenizer.bos_id is not None
    while batch := list(islice(documents, DOCUMENTS_AT_A_TIME)):
        for document, text, tokenized in _tokenize(batch, tokenizer):
            if len(tokenized.ids):
                yield Piece(source.name, document.index, text, tokenized, prepend_bos)


def _tokenize(documents: Iterable[Document], tokenizer: TextTokenizer) -> Iterator[tuple[Document, str, TokenizedText]]:
    documents = list(documents)
    if any(document.text is None for document in documents):
        vocab_size = tokenizer.vocab_size
        for document in documents:
            text, tokenized = tokenizer.with_text(_checked_ids(document, vocab_size))
            yield document, text, tokenized
        return
    texts = [document.text or "" for document in documents]
    yield from zip(documents, texts, tokenizer.encode_batch(texts), strict=True)


def _checked_ids(document: Document, vocab_size: int) -> list[int]:
    ids = document.token_ids or []
    for token in ids:
        if not isinstance(token, int) or not 0 <= token < vocab_size:
            raise UserError(
                f"Document {document.index} of a tokenized dataset holds {token!r}, which is no token of the model; "
                f"its ids are 0 to {vocab_size - 1}."
            )
    return ids


def _packed(
    documents: Iterator[Piece], cfg: ActivationFactoryConfig, tokenizer: TextTokenizer
) -> Iterator[list[Piece]]:
    """Pieces of the documents laid end to end, as many as fill a context; a separator takes one place."""
    separator = 0 if _separator(cfg, tokenizer) is None else 1
    size = cfg.context_size or DEFAULT_CONTEXT_SIZE
    window: list[Piece] = []
    room = 0
    for document in documents:
        done, n_tokens = 0, len(document.tokenized.ids)
        while done < n_tokens:
            if not window:
                room = size - document.prepend_bos
            elif done == 0:
                room -= separator
            if room > 0:
                window.append(_part(document, done, done + room))
                taken = len(window[-1].tokenized.ids)
                done, room = done + taken, room - taken
            if room <= 0:
                yield window
                window = []
    if window:
        yield window


def _one_each(documents: Iterator[Piece], cfg: ActivationFactoryConfig) -> Iterator[list[Piece]]:
    """The beginning of each document, as much as fits in a context."""
    size = cfg.context_size or DEFAULT_CONTEXT_SIZE
    for document in documents:
        yield [_part(document, 0, size - document.prepend_bos)]


def _part(piece: Piece, start: int, stop: int) -> Piece:
    part = TokenizedText(*(column[start:stop] for column in piece.tokenized))
    return Piece(piece.dataset, piece.document_idx, piece.text, part, piece.prepend_bos)


def _separator(cfg: ActivationFactoryConfig, tokenizer: TextTokenizer) -> int | None:
    return {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "none": None}[cfg.document_separator]


class _Assembler:
    """Puts pieces together to a context of full length."""

    def __init__(self, cfg: ActivationFactoryConfig, tokenizer: TextTokenizer, ignore_token_ids: Sequence[int]):
        self.size = cfg.context_size or DEFAULT_CONTEXT_SIZE
        self.separator = _separator(cfg, tokenizer)
        self.bos, self.pad = tokenizer.bos_id, tokenizer.pad_id or 0
        ignored = tokenizer.special_ids if cfg.ignore_token_ids is None else cfg.ignore_token_ids
        self.ignored = np.array(sorted({*ignored, *ignore_token_ids}), dtype=np.int32)
        self.ignore_positions = [position for position in cfg.ignore_positions if position < self.size]

    def __call__(self, context_idx: int, window: list[Piece], budget: int | None) -> Context:
        ids, ranges, text = [], [], ""
        if window[0].prepend_bos:
            ids.append([self.bos])
            ranges.append([[0, 0]])
        for number, piece in enumerate(window):
            if number and self.separator is not None:
                ids.append([self.separator])
                ranges.append([[len(text), len(text)]])
            first, last = int(piece.tokenized.starts[0]), int(piece.tokenized.stops[-1])
            shift = len(text) - first
            ids.append(piece.tokenized.ids)
            ranges.append(np.stack([piece.tokenized.starts, piece.tokenized.stops], axis=1) + shift)
            text += piece.text[first:last]
        tokens = np.full(self.size, self.pad, dtype=np.int32)
        spans = np.full((self.size, 2), len(text), dtype=np.int32)
        joined = np.concatenate(ids)
        tokens[: len(joined)] = joined
        spans[: len(joined)] = np.concatenate(ranges)
        mask = np.arange(self.size) < len(joined)
        mask &= ~np.isin(tokens, self.ignored)
        mask[self.ignore_positions] = False
        if budget is not None:
            mask &= np.cumsum(mask) <= budget
        return Context(
            context_idx, window[0].dataset, window[0].document_idx, text, tokens, spans[:, 0], spans[:, 1], mask
        )
