"""Vectors from an endpoint as a run pays for them: none that was asked for before, and none beyond the budget."""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import contextmanager

import numpy as np

from sae_assets.interpretation.allotments import Amount
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.embedding_answers import EmbeddedPart
from sae_assets.interpretation.embeddings import Embedded, Embedder, RefusedError
from sae_assets.interpretation.estimates import tokens_to_embed
from sae_assets.interpretation.pricing import cost_of, price_for
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.vector_cache import KnownVector, VectorCache, vector_key
from sae_assets.settings import AutoInterpConfig, UserError

Known = dict[bytes, KnownVector]
"""What is known of texts, by their keys."""

REFUSED = KnownVector(None, 0.0, None)


class MeteredEmbedder:
    """A `TextEmbedder` that looks into the cache, then asks the ledger, then the endpoint; for any number of threads.

    Whatever arrives is kept in the cache at once. Texts that several features share are asked for once, also while
    they are under way: silent windows are the same for many. A text that is refused while others are not is not sent
    again.
    """

    def __init__(
        self, embedder: Embedder, cfg: AutoInterpConfig, ledger: Ledger, cache: VectorCache | None = None
    ) -> None:
        """Takes the embedder over, to close it; the cache may be shared with others.

        Raises:
            UserError: there is a limit on the cost, and settings do not say what the embedding model costs.
        """
        self._embedder, self._ledger, self._cache = embedder, ledger, cache
        self._cfg, self._is_batch = cfg.embedding, cfg.mode == "batch"
        self._price = price_for(cfg, cfg.embedding.model)
        if ledger.max_cost is not None and self._price is None:
            raise UserError(
                f"max_cost cannot be kept, as nobody says what the embedding model {cfg.embedding.model!r} costs; add "
                "it to auto_interp.prices (with input = 0 where it is free), or set max_tokens instead."
            )
        self._under_way: set[bytes] = set()
        self._changed = threading.Condition()

    def close(self) -> None:
        """Ends waits and closes the connections."""
        self._embedder.close()

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors and what they took, now or when they were asked for first.

        Raises:
            EmbeddingError: the endpoint gave no vectors.
            RefusedError: it refused each of the texts.
            BudgetEndedError: the run may not pay for them.
            UserError: the cache cannot be used.
        """
        keys = [vector_key(self._cfg, text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        embedded = self._gathered(keys, wanted, self._cache)
        if embedded is None:
            # Another model answers to the name by now.
            embedded = self._gathered(keys, wanted, None)
        assert embedded is not None, "an endpoint gives vectors of one size only"
        return embedded

    def foresee(self, texts: Sequence[str]) -> Amount:
        """What those that the cache does not have are likely to take."""
        wanted = {vector_key(self._cfg, text): text for text in texts}
        known = self._cache.get(wanted) if self._cache else {}
        return self._amount([wanted[key] for key in wanted.keys() - known.keys()])

    def _amount(self, texts: Collection[str]) -> Amount:
        tokens = tokens_to_embed(texts)
        return Amount(tokens, cost_of(Usage(1, tokens), self._price) or 0.0)

    def _gathered(self, keys: Sequence[bytes], wanted: dict[bytes, str], cache: VectorCache | None) -> Embedded | None:
        """All vectors, those from `cache` where it has them; None where they are not of one size."""
        known: Known = {}
        usages: list[Usage] = []
        refusal: RefusedError | None = None
        while missing := wanted.keys() - known.keys():
            with self._claimed(missing) as mine:
                if found := cache.get(mine) if cache else {}:
                    usages += self._entered(found)
                    known |= found
                if asked := {key: wanted[key] for key in wanted if key in mine and key not in found}:
                    refusal = self._ask(asked, known, usages) or refusal
        sizes = {len(one.vector) for one in known.values() if one.vector is not None}
        if len(sizes) > 1:
            return None
        if not sizes and refusal is not None:
            raise refusal
        vectors = np.zeros((len(keys), *(sizes or {0})), np.float32)
        for row, key in enumerate(keys):
            if (vector := known[key].vector) is not None:
                vectors[row] = vector
        return Embedded(vectors, Usage.total(usages))

    def _ask(self, asked: dict[bytes, str], known: Known, usages: list[Usage]) -> RefusedError | None:
        """Adds what the endpoint makes of these texts to what is known, here and in the cache; its refusal of all."""
        reservation = self._ledger.reserve_texts(self._amount(asked.values()))
        keys, texts = list(asked), list(asked.values())
        paid: list[Usage] = []
        refusal: RefusedError | None = None
        try:
            for part in self._embedder.parts(texts):
                paid.append(part.usage._replace(cost=cost_of(part.usage, self._price)))
                self._keep(_shared_out(keys, texts, part, paid[-1]), known)
        except RefusedError as error:
            refusal = error
        finally:
            usages += paid
            if paid:
                self._ledger.settle(reservation, Usage.total(paid))
            else:
                self._ledger.release(reservation)
        refused = dict.fromkeys(asked.keys() - known.keys(), REFUSED)
        if refusal is None:
            self._keep(refused, known)
        else:
            # Whether these texts are to blame or all requests are, is not known.
            known |= refused
        return refusal

    def _keep(self, arrived: Known, known: Known) -> None:
        known |= arrived
        if self._cache is not None:
            self._cache.put(arrived)

    def _entered(self, found: Known) -> list[Usage]:
        """What was found took when it was asked for first, by this feature for an earlier round or by others."""
        # Only a batch comes back to what it asked for itself, when the other answers are there.
        own = [one for one in found.values() if self._is_batch and one.is_new]
        others = [one for one in found.values() if not (self._is_batch and one.is_new)]
        usages = [_usage(own, 0)] if own else []
        if others:
            usages.append(_usage(others, 1))
            self._ledger.save(usages[-1])
        return usages

    @contextmanager
    def _claimed(self, keys: Collection[bytes]) -> Generator[set[bytes]]:
        """Those of the texts that nobody else asks for; waits until there are some."""
        with self._changed:
            while not (mine := set(keys) - self._under_way):
                self._changed.wait()
            self._under_way |= mine
        try:
            yield mine
        finally:
            with self._changed:
                self._under_way -= mine
                self._changed.notify_all()


def _shared_out(keys: Sequence[bytes], texts: Sequence[str], part: EmbeddedPart, usage: Usage) -> Known:
    """The vectors of an answer, each with its text's share of what the request took."""
    n_characters = sum(map(len, texts[part.where])) or 1
    return {
        key: KnownVector(
            vector,
            usage.prompt_tokens * len(text) / n_characters,
            None if usage.cost is None else usage.cost * len(text) / n_characters,
        )
        for key, text, vector in zip(keys[part.where], texts[part.where], part.vectors, strict=True)
    }


def _usage(known: Sequence[KnownVector], n_from_cache: int) -> Usage:
    costs = [one.cost for one in known if one.cost is not None]
    tokens = round(sum(one.tokens for one in known))
    return Usage(1, tokens, cost=sum(costs) if costs else None, n_from_cache=n_from_cache)
