"""A real HTTP server that speaks the embeddings protocol: texts on a topic have near vectors; limits on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sae_assets_tests.interpretation.llm_server import LLMServer, Reply, Request

TOPICS = (("cat", "kitten", "dog", "animals"), ("seven", "number", "digits", "sum"), ("loop", "python", "code"))


def meaning(text: str, n_dimensions: int = 8) -> np.ndarray:
    """What the server gives: how many words of each topic the text has, and a little of the other dimensions."""
    words = text.lower().split()
    counts = [sum(word in topic for word in words) for topic in TOPICS]
    return np.array([*counts, *[0.25] * (n_dimensions - len(TOPICS))], np.float32)


def words(texts: list[str]) -> dict[str, Any]:
    """A token a word."""
    n_words = n_words_of(texts)
    return {"prompt_tokens": n_words, "total_tokens": n_words}


def n_words_of(texts: Iterable[str]) -> int:
    """Words of all texts together."""
    return sum(len(text.split()) for text in texts)


class EmbeddingServer(LLMServer):
    """The server, as a context manager; faults as `LLMServer` has them.

    Attributes:
        vector_of: what a text means, in this many dimensions.
        most_texts: more in a request get status 413, where set.
        refused: texts that get status 400.
        can_shorten: whether it heeds `dimensions`.
        usage_of: what it says that these texts took; by default a token a word.
    """

    def __init__(
        self,
        *,
        vector_of: Callable[[str, int], np.ndarray] = meaning,
        n_dimensions: int = 8,
        most_texts: int | None = None,
        refused: Iterable[str] = (),
        can_shorten: bool = True,
        usage_of: Callable[[list[str]], dict[str, Any]] = words,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.vector_of = vector_of
        self.n_dimensions, self.most_texts, self.can_shorten = n_dimensions, most_texts, can_shorten
        self.refused, self.usage_of = set(refused), usage_of

    @property
    def sent(self) -> list[list[str]]:
        """The texts of all requests so far."""
        return [request.payload["input"] for request in self.requests]

    def answer(self, reply: Reply, request: Request) -> None:
        texts = request.payload["input"]
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return reply.send_error_message(401, "Incorrect API key provided", code="invalid_api_key")
        if reply.path != "/v1/embeddings" or self.model not in (None, request.payload["model"]):
            return reply.send_error_message(404, "no such model or path")
        if self.most_texts is not None and len(texts) > self.most_texts:
            return reply.send_error_message(413, "batch too large")
        if self.refused.intersection(texts):
            return reply.send_error_message(400, "text too long")
        n_dimensions = request.payload.get("dimensions", self.n_dimensions) if self.can_shorten else self.n_dimensions
        data = [
            {"object": "embedding", "index": index, "embedding": (3 * self.vector_of(text, n_dimensions)).tolist()}
            for index, text in enumerate(texts)
        ]
        # The protocol numbers them, so their order means nothing.
        answer = {"object": "list", "model": "m", "data": data[::-1], "usage": self.usage_of(texts)}
        return reply.send(200, json.dumps(answer))
