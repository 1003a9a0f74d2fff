"""What the explanations of an analysis took and by which prompts they were made, without their heavy parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.queries import where

FIELDS = ("usage", "prompt_hash", "scores.scorer", "scores.prompt_hash")
FEATURES_AT_A_TIME = 2048
"""The bundled server holds the whole documents of an answer, prompts and all, until it is fetched."""


@dataclass(frozen=True)
class ExplanationUsage:
    """What one explanation took."""

    usage: dict[str, Any]
    """Requests, tokens and cost, as its version keeps them."""
    prompt_hash: str | None
    """Version of the explainer's prompt."""
    score_prompts: dict[str, str]
    """Version of the prompt of each scorer that had one."""


NO_USAGE = ExplanationUsage({}, None, {})
"""That of an explanation without a version, which an earlier version of the package wrote."""


@readable
def usage_of_explanations(store: Store, analysis: AnalysisDocument) -> dict[str, ExplanationUsage]:
    """What every explanation that there ever was took, by its version; `explanations` says which of them count."""
    of_analysis, fields = where(sae=analysis.sae, analysis=analysis.name), dict.fromkeys(FIELDS, 1)
    found: dict[str, ExplanationUsage] = {}
    for first in range(0, analysis.d_sae, FEATURES_AT_A_TIME):
        some = of_analysis.between("index", first, first + FEATURES_AT_A_TIME)
        stored = store["explanation_versions"].find(some.filter, fields, batch_size=FEATURES_AT_A_TIME)
        found |= {one["_id"]: _usage(one) for one in stored}
    return found


def _usage(stored: dict[str, Any]) -> ExplanationUsage:
    prompts = {one["scorer"]: one.get("prompt_hash") for one in stored.get("scores", [])}
    return ExplanationUsage(
        stored.get("usage") or {}, stored.get("prompt_hash"), {name: one for name, one in prompts.items() if one}
    )
