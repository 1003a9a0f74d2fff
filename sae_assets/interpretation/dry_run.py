"""Explaining and scoring without asking anybody: what would be asked is counted, and what is known is looked up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sae_assets.interpretation.answer_cache import AnswerCache, answer_key
from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import Answer, Question, read_reply
from sae_assets.interpretation.embeddings import Embedded
from sae_assets.interpretation.estimates import TokenEstimates
from sae_assets.interpretation.made_up import made_up
from sae_assets.interpretation.records import Usage
from sae_assets.settings import AutoInterpConfig


class DryLLM:
    """An `LLM` that answers from the cache of answers, else makes an answer up, and counts what was asked.

    Tokens are estimates, as the budget of a run makes them; what the cache knows teaches how long prompts and answers
    of this model are.
    """

    def __init__(self, cfg: AutoInterpConfig, cache: AnswerCache) -> None:
        """Counts nothing yet."""
        self._cfg, self._cache, self._estimates = cfg, cache, TokenEstimates()
        self.forget_counts()

    def forget_counts(self) -> None:
        """Counts from 0 again; what was learned of lengths stays."""
        self.asked = Usage()
        """What would have to be paid for; no cost."""
        self.known = Usage()
        """What the cache answered, at what it took when it was asked first."""

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        """The answers, in the order of the questions; never raises."""
        return [self._answer(question) for question in questions]

    def close(self) -> None:
        """Does nothing: nobody waits."""

    def _answer(self, question: Question[AnswerModel]) -> Answer[AnswerModel]:
        reply = self._cache.get(answer_key(self._cfg.openai_model, self._cfg.request_options, question))
        if reply is not None:
            self._estimates.learn(question, reply.usage)
            if self._cfg.use_cache:
                self.known = Usage.total([self.known, reply.usage])
                return read_reply(reply._replace(usage=reply.usage._replace(n_from_cache=1)), question.form)
        tokens = self._estimates.of(question)
        usage = Usage(1, tokens.prompt, tokens.completion)
        self.asked = Usage.total([self.asked, usage])
        return Answer(made_up(question.form), "", "nothing was asked", self._cfg.openai_model, usage)


class DryEmbedder:
    """An embedder that counts texts and knows nothing of them: all have the same vector."""

    def __init__(self) -> None:
        """Counts nothing yet."""
        self.n_texts = 0
        """Texts that would have to be embedded."""

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The same vector of length 1 for each text."""
        self.n_texts += len(texts)
        return Embedded(np.ones((len(texts), 1), dtype=np.float32), Usage())

    def close(self) -> None:
        """Does nothing."""
