"""Asking a language model as a run does it: nothing that was asked before, and nothing beyond the budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sae_assets.interpretation.answer_cache import AnswerCache, answer_key
from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import Answer, Question, Reply, read_reply
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.pricing import cost_of, price_for
from sae_assets.settings import AutoInterpConfig


class MeteredLLM:
    """An `LLM` that looks into the cache, then asks the ledger, then the endpoint; for any number of threads.

    Every reply is kept in the cache as soon as it is there, also one that cannot be read: the same question would be
    answered the same, and paid again.
    """

    def __init__(
        self, client: LLMClient, cfg: AutoInterpConfig, ledger: Ledger, cache: AnswerCache | None = None
    ) -> None:
        """Takes the client over, to close it; the cache may be shared with others."""
        self._client, self._cfg, self._ledger, self._cache = client, cfg, ledger, cache
        self._price = price_for(cfg)

    def close(self) -> None:
        """Ends waits and closes the connections."""
        self._client.close()

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        """The answers, one after the other; raises what `LLM.ask_all` raises."""
        return [read_reply(self._reply(question), question.form) for question in questions]

    def remembered(self, question: Question[Any]) -> Reply | None:
        """What the cache has."""
        return self._cache.get(self._key(question)) if self._cache and self._cfg.use_cache else None

    def _reply(self, question: Question[Any]) -> Reply:
        known = self.remembered(question)
        if known is not None:
            self._ledger.save(known.usage)
            return known.out_of_cache
        reply = self._paid(question)
        if self._cache is not None:
            self._cache.put(self._key(question), reply)
        return reply

    def _key(self, question: Question[Any]) -> str:
        return answer_key(self._cfg.openai_model, self._cfg.request_options, question)

    def _paid(self, question: Question[Any]) -> Reply:
        reservation = self._ledger.reserve(question)
        try:
            reply = self._client.send(question)
        except BaseException:
            self._ledger.release(reservation)
            raise
        usage = reply.usage._replace(cost=cost_of(reply.usage, self._price))
        self._ledger.settle(reservation, usage)
        return reply._replace(usage=usage)
