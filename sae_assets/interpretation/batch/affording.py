"""Which features a budget allows to begin: a batch of explanations must leave enough for their scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sae_assets.interpretation.answers import AnswerModel
from sae_assets.interpretation.asking import Answer, BudgetEndedError, Question, read_reply
from sae_assets.interpretation.batch.collecting import CollectingLLM
from sae_assets.interpretation.feature import interpret_feature
from sae_assets.interpretation.made_up import made_up
from sae_assets.interpretation.records import FeatureExamples, Usage
from sae_assets.interpretation.scorers import scorers_of
from sae_assets.settings import AutoInterpConfig


def affordable(
    features: Iterable[FeatureExamples], cfg: AutoInterpConfig, llm: CollectingLLM
) -> Iterator[FeatureExamples]:
    """The features, up to the first whose explanation and scores together do not fit into the budget any more."""
    # Embedding a text costs next to nothing, but what is made up need not be embedded.
    asking = [name for name in cfg.scorer_type if name != "embedding"]
    scorers = scorers_of(cfg.model_copy(update={"scorer_type": asking}))
    for feature in features:
        try:
            interpret_feature(feature, cfg, scorers, _ForeseeingLLM(llm))
        except BudgetEndedError:
            return
        except Exception:
            # What is wrong with the feature shows again, and is told, when it is asked about in earnest.
            pass
        yield feature


class _ForeseeingLLM:
    """Asks nothing, but puts aside what every question will take; what is not known is made up."""

    def __init__(self, llm: CollectingLLM) -> None:
        self._llm = llm

    def close(self) -> None:
        """Has nothing to close."""

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question[AnswerModel]) -> Answer[AnswerModel]:
        reply = self._llm.foresee(question)
        return read_reply(reply, question.form) if reply else Answer(made_up(question.form), "", None, "", Usage())
