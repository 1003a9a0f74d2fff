"""Going through a feature before it is begun: what would be asked about it, if its explanation were a typical one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from sae_assets.interpretation.allotments import NOTHING, Amount, Foreseen
from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import LLM, Answer, Question, Reply, read_reply
from sae_assets.interpretation.embedders import TextEmbedder
from sae_assets.interpretation.embeddings import Embedded
from sae_assets.interpretation.feature import interpret_feature
from sae_assets.interpretation.made_up import made_up
from sae_assets.interpretation.records import FeatureExamples, Usage
from sae_assets.interpretation.scorers import Scorer
from sae_assets.interpretation.scorers.embedding import EmbeddingScorer
from sae_assets.settings import AutoInterpConfig


def foreseen(feature: FeatureExamples, cfg: AutoInterpConfig, scorers: Mapping[str, Scorer], llm: LLM) -> Foreseen:
    """What explaining and scoring a feature will have to ask that `llm` and the embedding model do not know yet."""
    rehearsing = _RehearsingLLM(llm)
    embedders: list[_RehearsingEmbedder] = []
    rehearsed = dict(scorers)
    for name, scorer in scorers.items():
        if isinstance(scorer, EmbeddingScorer):
            embedders.append(_RehearsingEmbedder(scorer.embedder))
            rehearsed[name] = EmbeddingScorer(embedders[-1])
    # What is wrong with a feature shows again, and is told, when it is asked about in earnest.
    with suppress(Exception):
        interpret_feature(feature, cfg, rehearsed, rehearsing)
    return Foreseen(rehearsing.questions, sum((embedder.amount for embedder in embedders), NOTHING))


class _RehearsingLLM:
    """Answers what is known, makes up the rest, and keeps the questions to it."""

    def __init__(self, llm: LLM) -> None:
        self.questions: list[Question[Any]] = []
        self._llm = llm

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        return [self._answer(question) for question in questions]

    def remembered(self, question: Question[Any]) -> Reply | None:
        return self._llm.remembered(question)

    def close(self) -> None:
        """Has nothing to close."""

    def _answer(self, question: Question[AnswerModel]) -> Answer[AnswerModel]:
        reply = self.remembered(question)
        if reply is not None:
            return read_reply(reply.out_of_cache, question.form)
        self.questions.append(question)
        return Answer(made_up(question.form), "", None, "", Usage())


class _RehearsingEmbedder:
    """Has the same vector for all texts, and sums up what they would take."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self.amount = NOTHING
        self._embedder = embedder

    def embed(self, texts: Sequence[str]) -> Embedded:
        self.amount += self.foresee(texts)
        return Embedded(np.ones((len(texts), 1), np.float32), Usage())

    def foresee(self, texts: Sequence[str]) -> Amount:
        return self._embedder.foresee(texts)

    def close(self) -> None:
        """Has nothing to close."""
