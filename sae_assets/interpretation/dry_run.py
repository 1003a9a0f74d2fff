"""Explaining and scoring without asking anybody: what would be asked is counted, and what is known is looked up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sae_assets.interpretation.allotments import NOTHING, Amount
from sae_assets.interpretation.answer_cache import AnswerCache, answer_key
from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import Answer, Question, Reply, read_reply
from sae_assets.interpretation.embeddings import Embedded
from sae_assets.interpretation.estimates import TokenEstimates, tokens_to_embed
from sae_assets.interpretation.made_up import made_up
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.vector_cache import VectorCache, vector_key
from sae_assets.settings import AutoInterpConfig
from sae_assets.settings.embedding import EmbeddingConfig


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

    def remembered(self, question: Question[Any]) -> Reply | None:
        """What the cache has."""
        return self._cache.get(answer_key(self._cfg.openai_model, self._cfg.request_options, question))

    def close(self) -> None:
        """Does nothing: nobody waits."""

    def _answer(self, question: Question[AnswerModel]) -> Answer[AnswerModel]:
        reply = self.remembered(question)
        if reply is not None:
            self._estimates.learn(question, reply.usage)
            if self._cfg.use_cache:
                self.known = Usage.total([self.known, reply.usage])
                return read_reply(reply.out_of_cache, question.form)
        tokens = self._estimates.of(question)
        usage = Usage(1, tokens.prompt, tokens.completion)
        self.asked = Usage.total([self.asked, usage])
        return Answer(made_up(question.form), "", "nothing was asked", self._cfg.openai_model, usage)


class DryEmbedder:
    """An embedder that counts the texts that no run has embedded, each once; all have the same vector."""

    def __init__(self, cfg: EmbeddingConfig, vectors: VectorCache) -> None:
        """Counts nothing yet."""
        self._cfg, self._vectors = cfg, vectors
        self.forget_counts()

    def forget_counts(self) -> None:
        """Counts from 0 again."""
        self.n_texts = 0
        """Texts that would have to be embedded."""
        self.n_tokens = 0
        """Tokens that would have to be paid for, estimated; none with a model on this machine."""
        self._counted: set[bytes] = set()

    def embed(self, texts: Sequence[str]) -> Embedded:
        """The same vector of length 1 for each text."""
        wanted = {vector_key(self._cfg, text): text for text in texts}
        new = wanted.keys() - self._vectors.get(wanted).keys() - self._counted
        self._counted |= new
        self.n_texts += len(new)
        if self._cfg.sentence_model is None:
            self.n_tokens += tokens_to_embed([wanted[key] for key in new])
        return Embedded(np.ones((len(texts), 1), dtype=np.float32), Usage())

    def foresee(self, _texts: Sequence[str], /) -> Amount:
        """Nothing, as nothing is paid."""
        return NOTHING

    def close(self) -> None:
        """Does nothing."""
