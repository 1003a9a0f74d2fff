"""Vectors of texts, for search by meaning: each text is embedded once, whatever feature or checkpoint it explains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from jaxtyping import Float16
from pydantic import AliasChoices, Field
from pymongo.errors import BulkWriteError

from sae_assets.store.bulk import DUPLICATE_KEY, insert_in_bulk
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import Document
from sae_assets.store.queries import where

VECTORS_AT_A_TIME = 500
"""The bundled server takes longer for each id the more it is asked for at once."""


class VectorDocument(Document):
    """`embeddings`: what a text means; written once and never changed, as the id says what it was made of."""

    id: str = Field(validation_alias=AliasChoices("_id", "id"), serialization_alias="_id")
    """Hash of the embedding model, the number of dimensions and the text."""
    vector: bytes
    """The vector, as float16; its length is 1."""


@readable
def stored_vectors(store: Store, ids: Iterable[str]) -> dict[str, Float16[np.ndarray, "dimension"]]:
    """The vectors by id, of those ids that have one."""
    found: dict[str, Float16[np.ndarray, "dimension"]] = {}
    for part in _parts(ids):
        stored = store["embeddings"].find(where().among("_id", part).filter, batch_size=VECTORS_AT_A_TIME)
        found.update((one["_id"], np.frombuffer(one["vector"], "<f2")) for one in stored)
    return found


@readable
def save_vectors(store: Store, vectors: Mapping[str, Float16[np.ndarray, "dimension"]]) -> None:
    """Writes the vectors whose ids are not there yet."""
    for part in _parts(vectors):
        new = (VectorDocument(id=one, vector=vectors[one].astype("<f2").tobytes()).to_mongo() for one in part)
        try:
            for _ in insert_in_bulk(store["embeddings"], new):
                pass
        except BulkWriteError as error:  # another process that embeds the same texts may be faster
            if any(failed["code"] != DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    whole = list(ids)
    return (whole[first : first + VECTORS_AT_A_TIME] for first in range(0, len(whole), VECTORS_AT_A_TIME))
