"""The measures of an explanation, by the name that settings use."""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.interpretation.scorers import detection, fuzzing, simulation
from sae_assets.interpretation.scorers.scorer import Scorer, Task
from sae_assets.settings import UserError, unknown

SCORERS: dict[str, Scorer] = {
    "detection": detection.score,
    "fuzzing": fuzzing.score,
    "simulation": simulation.score,
}
"""Every measure that can be taken from stored examples."""


def scorers_named(names: Sequence[str]) -> dict[str, Scorer]:
    """The scorers of the settings, each once, in their order.

    Raises:
        UserError: a name is not known, or its measure cannot be taken from stored examples.
    """
    for name in names:
        if name == "generation":
            raise UserError(
                "The scorer 'generation' in auto_interp.scorer_type would have to run the model and the SAE on "
                f"new text, which explaining from stored examples does not; use some of {', '.join(SCORERS)}."
            )
        if name not in SCORERS:
            raise unknown("scorer", name, SCORERS, where="auto_interp.scorer_type")
    return {name: SCORERS[name] for name in names}


__all__ = ["SCORERS", "Scorer", "Task", "scorers_named"]
