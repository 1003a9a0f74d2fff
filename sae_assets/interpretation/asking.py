"""A question to a language model and its answer, whoever answers: an endpoint, the cache of answers, a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol

from sae_assets.interpretation.answers import AnswerModel, read_answer
from sae_assets.interpretation.records import Usage
from sae_assets.interpretation.templates import Messages


class Question(NamedTuple, Generic[AnswerModel]):
    """A prompt and the form that its answer must have."""

    messages: Messages
    """The prompt."""
    form: type[AnswerModel]
    """What is answered."""
    attempt: int = 0
    """How often this was asked before in vain: the cache answers each attempt by itself."""


class Reply(NamedTuple):
    """What a model said, word for word, before anybody reads it; what the cache keeps."""

    text: str
    """What the model wrote."""
    model: str
    """The model that answered, as the endpoint names it."""
    usage: Usage
    """What this one request took."""
    problem: str | None = None
    """Why the text cannot hold an answer: a refusal, a cut; a clause to go after "as". None where it may."""

    @property
    def out_of_cache(self) -> Reply:
        """The same as one that this run did not pay for."""
        return self._replace(usage=self.usage._replace(n_from_cache=1))


@dataclass(frozen=True)
class Answer(Generic[AnswerModel]):
    """A reply that was read."""

    value: AnswerModel | None
    """The answer in its form; None where the reply holds none, for the `problem` given."""
    text: str
    """What the model wrote, word for word."""
    problem: str | None
    """Why there is no value: a refusal, an empty or cut answer, no fitting JSON."""
    model: str
    """The model that answered, as the endpoint names it."""
    usage: Usage
    """What this one question took, now or when it was asked first."""


class PendingError(Exception):
    """The answers come later, with a batch: ask the same again then."""


class BudgetEndedError(Exception):
    """The run may not pay for the next request. Its text is a sentence that may be shown."""


class LLM(Protocol):
    """What explainers and scorers ask. Used from any number of threads."""

    def ask_all(self, questions: Sequence[Question[AnswerModel]]) -> list[Answer[AnswerModel]]:
        """The answers, in the order of the questions.

        Raises:
            EndpointUnusableError: no request can succeed.
            EndpointError: a request failed, also when sent again.
            BudgetEndedError: the run may not pay for the next request.
            PendingError: the answers come later, with a batch; ask the same again then.
            UserError: nothing more can be asked in this run, for a reason that the user can mend.
        """
        ...

    def remembered(self, question: Question[Any], /) -> Reply | None:
        """The reply that `ask_all` would read without asking anybody; None where there is none."""
        ...

    def close(self) -> None:
        """Ends all waits: who waits for an answer gets an `EndpointError`."""
        ...


def ask(llm: LLM, question: Question[AnswerModel]) -> Answer[AnswerModel]:
    """The answer to one question; raises what `LLM.ask_all` raises."""
    return llm.ask_all([question])[0]


def read_reply(reply: Reply, form: type[AnswerModel]) -> Answer[AnswerModel]:
    """The reply in the form asked for, where it can be read so."""
    value = None if reply.problem else read_answer(reply.text, form)
    return Answer(value, reply.text, None if value else reply.problem or _problem(reply.text), reply.model, reply.usage)


def _problem(text: str) -> str:
    return "the answer does not have the form asked for" if text.strip() else "the answer is empty"
