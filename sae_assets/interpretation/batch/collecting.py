"""An `LLM` that answers what it knows, and collects what it does not know for the next batch."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sae_assets.interpretation.answer_cache import AnswerCache, answer_key
from sae_assets.interpretation.answers import AnswerForm, AnswerModel
from sae_assets.interpretation.asking import Answer, PendingError, Question, Reply, read_reply
from sae_assets.interpretation.batch.endpoint import BatchEndpoint
from sae_assets.interpretation.batch.outbox import Outbox
from sae_assets.interpretation.batch.results import Result
from sae_assets.interpretation.batch.under_way import UnderWay
from sae_assets.interpretation.budget import Ledger, Reservation
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.completions import reply_of, request_body
from sae_assets.interpretation.failures import EndpointError
from sae_assets.interpretation.pricing import cost_of, price_for
from sae_assets.interpretation.templates import Messages
from sae_assets.settings import AutoInterpConfig

_NO_QUESTION = Question(Messages("", ""), AnswerForm)


class CollectingLLM:
    """Answers from the cache; whatever is missing there is collected, and `PendingError` raised.

    The first missing question is asked directly, at the full price: a wrong key, an unknown model or a way of asking
    for structure that the endpoint refuses shows at once and not after a day.
    """

    def __init__(
        self,
        client: LLMClient,
        cfg: AutoInterpConfig,
        ledger: Ledger,
        cache: AnswerCache,
        under_way: UnderWay,
        endpoint: BatchEndpoint,
    ) -> None:
        """Sends nothing yet.

        Args:
            client: for the first question.
            cache: where the answers of batches go.
        """
        self.pending: set[str] = set()
        """Keys of the questions that were asked since the round began and have no answer yet."""
        self.outbox = Outbox(endpoint, under_way, lambda key: cfg.use_cache and cache.get(key) is not None)
        self._client, self._cfg, self._ledger, self._cache = client, cfg, ledger, cache
        self._under_way, self._endpoint = under_way, endpoint
        self._price = price_for(cfg)
        self._is_tried = False
        # All by the keys of answers: the questions themselves would fill the memory.
        self._put_aside: dict[str, Reservation] = {}
        self._foreseen: set[str] = set()
        self._arrived: set[str] = set()
        self._saved: set[str] = set()
        self._lost: set[str] = set()
        self._failed: dict[str, str] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Does nothing: the same questions are asked of it in the next round."""

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        """The answers where all are known.

        Raises:
            PendingError: some are not known; all of these go with the next batch.
            EndpointError: the endpoint did not answer one of them.
            BudgetEndedError: the run may not pay for them; none is collected.
            UserError: the endpoint or the files of the run cannot be used.
        """
        asked = {self._key(question): question for question in questions}
        with self._lock:
            known = self._known(asked)
            if len(known) < len(asked) and self._has_asked_first(asked):
                known = self._known(asked)
            if missing := {key: question for key, question in asked.items() if key not in known}:
                self._collect(missing)
                raise PendingError("The answers come with a batch.")
        return [read_reply(known[self._key(question)], question.form) for question in questions]

    def remembered(self, question: Question[Any]) -> Reply | None:
        """What is in the cache; raises what `ask_all` raises, but `PendingError`."""
        key = self._key(question)
        with self._lock:
            return self._known({key: question}).get(key)

    def put_aside(self, questions: Sequence[Question[Any]]) -> None:
        """Puts aside until the round ends what questions will take that are likely to follow.

        Raises:
            BudgetEndedError: the run may not pay for them; nothing is put aside.
            UserError: as `Ledger.reserve`.
        """
        asked = {self._key(question): question for question in questions}
        with self._lock:
            self._reserve(asked)
            self._foreseen |= asked.keys()

    def send(self) -> bool:
        """Ends a round: sends the last batch, and frees what was put aside for nothing.

        Returns:
            Whether anything is pending.
        """
        self.outbox.send()
        self._release(self._foreseen - self.pending)
        self._foreseen.clear()
        return bool(self.pending)

    def take(self, result: Result) -> None:
        """Keeps what a batch says of a question. One that it did not come to is asked once more, with another batch."""
        reply = reply_of(result.completion, self._cfg.openai_model, self._client.endpoint.redacted)
        if reply is not None:
            self._keep(result.key, reply, is_batch=True)
        elif result.is_passing and result.key not in self._lost:
            self._lost.add(result.key)
        else:
            said = self._client.endpoint.redacted(result.problem or "that is no chat completion")
            self._failed[result.key] = f"The batch has no answer to this prompt ({said})."

    def _key(self, question: Question[Any]) -> str:
        return answer_key(self._cfg.openai_model, self._cfg.request_options, question)

    def _known(self, asked: Mapping[str, Question[Any]]) -> dict[str, Reply]:
        replies = {key: reply for key, question in asked.items() if (reply := self._reply(key, question))}
        for key in asked:
            if key in self._failed:
                self._release([key])
                raise EndpointError(self._failed[key])
        return replies

    def _reply(self, key: str, question: Question[Any]) -> Reply | None:
        has_arrived = key in self._arrived
        reply = self._cache.get(key) if self._cfg.use_cache or has_arrived else None
        if reply is None:
            return None
        if has_arrived:
            if key in self._put_aside:
                self._ledger.settle(self._put_aside.pop(key)._replace(question=question), reply.usage)
            return reply
        # It was there before, or came to another run in the meantime.
        self._release([key])
        if key not in self._saved:
            self._saved.add(key)
            self._ledger.save(reply.usage)
        return reply.out_of_cache

    def _has_asked_first(self, asked: Mapping[str, Question[Any]]) -> bool:
        """Asks one of the questions directly, once in a run; whether that was done now."""
        if self._is_tried:
            return False
        with self._under_way.sending():
            for key, question in asked.items():
                if self._under_way.file_of(key) is None and self._reply(key, question) is None:
                    self._endpoint.check()
                    self._reserve({key: question})
                    try:
                        reply = self._client.send(question)
                    except BaseException:
                        self._release([key])
                        raise
                    self._keep(key, reply)
                    self._is_tried = True
                    return True
        return False

    def _keep(self, key: str, reply: Reply, *, is_batch: bool = False) -> None:
        usage = reply.usage._replace(cost=cost_of(reply.usage, self._price, is_batch=is_batch))
        self._cache.put(key, reply._replace(usage=usage))
        self._arrived.add(key)

    def _collect(self, missing: Mapping[str, Question[Any]]) -> None:
        self._reserve(missing)
        for key, question in missing.items():
            self.pending.add(key)
            if self._under_way.file_of(key) is None:
                self.outbox.add(key, request_body(self._cfg, question, self._client.structure))

    def _reserve(self, questions: Mapping[str, Question[Any]]) -> None:
        """Puts aside what all of them are likely to take, or nothing."""
        new = []
        try:
            for key, question in questions.items():
                if key not in self._put_aside:
                    reservation = self._ledger.reserve(question, is_batch=True)
                    self._put_aside[key] = reservation._replace(question=_NO_QUESTION)
                    new.append(key)
        except BaseException:
            self._release(new)
            raise

    def _release(self, keys: Iterable[str]) -> None:
        for key in keys:
            if key in self._put_aside:
                self._ledger.release(self._put_aside.pop(key))
