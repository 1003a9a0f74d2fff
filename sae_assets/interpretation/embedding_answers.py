"""The answers of the embeddings protocol: vectors, and what they took."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32

from sae_assets.interpretation.counted import cost_in, count_in
from sae_assets.interpretation.records import Usage

Vectors = Float32[np.ndarray, "text dimension"]


class EmbeddedPart(NamedTuple):
    """What came with one answer of the endpoint."""

    where: slice
    """Which of the texts it is about."""
    vectors: Vectors
    """Their vectors, of length 1."""
    usage: Usage
    """What this request took; its cost only where the endpoint itself says it."""


def read_answer(body: str, where: slice) -> EmbeddedPart | None:
    """The vectors of these texts, in their order and made of length 1; None where the body holds no such answer."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    vectors = _vectors(answer) if isinstance(answer, Mapping) else None
    if vectors is None or len(vectors) != where.stop - where.start:
        return None
    return EmbeddedPart(where, vectors, _usage(answer.get("usage")))


def _vectors(answer: Mapping[str, Any]) -> Vectors | None:
    try:
        answers = sorted(answer["data"], key=lambda one: one["index"])
        vectors = np.array([one["embedding"] for one in answers], np.float32)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if vectors.ndim != 2 or not np.isfinite(lengths).all():
        return None
    return vectors / np.where(lengths > 0, lengths, 1)


def _usage(counted: object) -> Usage:
    counts = counted if isinstance(counted, Mapping) else {}
    n_tokens = count_in(counts, "prompt_tokens") or count_in(counts, "total_tokens")
    return Usage(requests=1, prompt_tokens=n_tokens, cost=cost_in(counts))
