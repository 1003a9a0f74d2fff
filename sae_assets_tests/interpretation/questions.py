"""Questions that cost a scripted server 100 tokens to read and 10 to answer, and how they are asked."""

from __future__ import annotations

from pathlib import Path

from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.answers import VerdictsAnswer
from sae_assets.interpretation.asking import Question
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.metered import MeteredLLM
from sae_assets.interpretation.templates import Messages
from sae_assets.settings import AutoInterpConfig


def question(number: int = 0, attempt: int = 0) -> Question[VerdictsAnswer]:
    """Of about 50 tokens by the first guess, each number another one."""
    user = f'Explanation: "the word cat"\n\nExample 1: "a cat and {number:08} dogs"\nExample 2: "a dog in a basket"'
    return Question(Messages('You judge.\n- "verdicts": yes or no.', user), VerdictsAnswer, attempt)


def metered(cfg: AutoInterpConfig, ledger: Ledger | None = None, cache: Path | None = None) -> MeteredLLM:
    """As a run asks."""
    client = LLMClient(cfg, first_wait=0.01)
    return MeteredLLM(client, cfg, ledger or Ledger(), AnswerCache(cache) if cache else None)
