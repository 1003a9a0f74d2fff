"""Contexts in the store: each is written once and never changed, as its source's fingerprint says what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from pymongo.errors import BulkWriteError

from sae_assets.activations.context import Context
from sae_assets.store.bulk import DUPLICATE_KEY, insert_in_bulk
from sae_assets.store.connection import Store
from sae_assets.store.queries import where
from sae_assets.store.set_documents import ContextDocument

CONTEXTS_AT_A_TIME = 2000


def save_contexts(store: Store, source: str, contexts: Iterable[Context]) -> set[int]:
    """Writes the contexts that are not there yet; gives the `context_idx` of all that were passed in."""
    stream = iter(contexts)
    seen: set[int] = set()
    while batch := {context.context_idx: context for context in islice(stream, CONTEXTS_AT_A_TIME)}:
        same = where(source=source).among("context_idx", batch)
        stored = store["contexts"].find(same.filter, {"context_idx": 1}, batch_size=CONTEXTS_AT_A_TIME)
        there = {document["context_idx"] for document in stored}
        new = (_packed(source, context).to_mongo() for idx, context in batch.items() if idx not in there)
        try:
            for _ in insert_in_bulk(store["contexts"], new):
                pass
        except BulkWriteError as error:  # another run that writes the same contexts may be faster
            if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise
        seen.update(batch)
    return seen


def contexts_by_idx(store: Store, source: str, context_idx: Iterable[int]) -> dict[int, Context]:
    """The contexts with these numbers."""
    wanted = sorted(set(context_idx))
    found: dict[int, Context] = {}
    for first in range(0, len(wanted), CONTEXTS_AT_A_TIME):
        same = where(source=source).among("context_idx", wanted[first : first + CONTEXTS_AT_A_TIME])
        for stored in store["contexts"].find(same.filter, batch_size=CONTEXTS_AT_A_TIME):
            context = _unpacked(ContextDocument.of(stored))
            found[context.context_idx] = context
    return found


def _packed(source: str, context: Context) -> ContextDocument:
    return ContextDocument(
        source=source,
        context_idx=context.context_idx,
        dataset=context.dataset,
        document_idx=context.document_idx,
        text=context.text,
        tokens=context.tokens.astype("<i4", copy=False).tobytes(),
        starts=context.starts.astype("<i4", copy=False).tobytes(),
        stops=context.stops.astype("<i4", copy=False).tobytes(),
        mask=context.mask.astype("u1", copy=False).tobytes(),
    )


def _unpacked(packed: ContextDocument) -> Context:
    return Context(
        packed.context_idx,
        packed.dataset,
        packed.document_idx,
        packed.text,
        np.frombuffer(packed.tokens, "<i4"),
        np.frombuffer(packed.starts, "<i4"),
        np.frombuffer(packed.stops, "<i4"),
        np.frombuffer(packed.mask, "u1").astype(bool),
    )
