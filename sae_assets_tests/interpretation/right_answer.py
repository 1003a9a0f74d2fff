"""A question with a known right answer, and a client that does not wait long."""

from __future__ import annotations

import socket

from sae_assets.interpretation.answers import VerdictsAnswer
from sae_assets.interpretation.asking import Question
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.templates import Messages
from sae_assets.settings import AutoInterpConfig

KEY = "sk-very-secret-0123456789"
PROMPT = Messages(
    'You judge.\n- "verdicts": yes or no.', 'Explanation: "the word cat"\n\nExample 1: "a cat"\nExample 2: "a dog"'
)
QUESTION = Question(PROMPT, VerdictsAnswer)
RIGHT = VerdictsAnswer(verdicts=[True, False])


def client(cfg: AutoInterpConfig, timeout: float = 5.0) -> LLMClient:
    return LLMClient(cfg.model_copy(update={"request_timeout": timeout}), first_wait=0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
