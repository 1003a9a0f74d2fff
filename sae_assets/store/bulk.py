"""Writing many documents in few round trips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection

BYTES = 5 << 20
"""A batch is sent once it is this large and has `DOCUMENTS`; the bundled server is fastest at this size."""
DOCUMENTS = 500
MOST_BYTES = 24 << 20
"""A batch of fewer documents is sent once it is this large."""
DUPLICATE_KEY = 11000
"""Code of: a unique index has such a document already."""


def batches(documents: Iterable[dict[str, Any]]) -> Iterator[list[RawBSONDocument]]:
    """The documents, encoded once, in batches of one round trip each. Each needs its `_id`."""
    batch, size = [], 0
    for document in documents:
        encoded = bson.encode({"_id": bson.ObjectId(), **document})
        batch.append(RawBSONDocument(encoded))
        size += len(encoded)
        if (size >= BYTES and len(batch) >= DOCUMENTS) or size >= MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def insert_in_bulk(collection: Collection[dict[str, Any]], documents: Iterable[dict[str, Any]]) -> Iterator[int]:
    """Inserts the documents; gives, after each batch, how many it had."""
    for batch in batches(documents):
        collection.insert_many(batch, ordered=False)  # pyright: ignore[reportArgumentType]
        yield len(batch)
