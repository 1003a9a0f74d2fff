"""The measures of an explanation, by the name that settings use."""

from __future__ import annotations

from collections.abc import Callable

from sae_assets.interpretation.embedders import TextEmbedder, open_embedder
from sae_assets.interpretation.scorers import detection, fuzzing, intruder, saebench, simulation
from sae_assets.interpretation.scorers.embedding import EmbeddingScorer
from sae_assets.interpretation.scorers.scorer import Scorer, Task
from sae_assets.settings import AutoInterpConfig, UserError

SCORERS: dict[str, Scorer] = {
    "detection": detection.score,
    "fuzzing": fuzzing.score,
    "intruder": intruder.score,
    "simulation": simulation.score,
    "saebench": saebench.score,
}
"""Every measure that a language model takes from stored examples."""


class Scorers(dict[str, Scorer]):
    """The scorers of a run, in the order of the settings, and what they hold open."""

    def close(self) -> None:
        """Ends waits for the embedding model and closes its connections."""
        for scorer in self.values():
            if isinstance(scorer, EmbeddingScorer):
                scorer.close()


def scorers_of(cfg: AutoInterpConfig, embedder: Callable[[], TextEmbedder] | None = None) -> Scorers:
    """The scorers of the settings, each once.

    Args:
        embedder: opens what is asked for vectors, where the settings name the embedding scorer; closed with the
            scorers. The embedding model of the settings where not given.

    Raises:
        UserError: a measure cannot be taken from stored examples, or needs an embedding model and none can be opened.
    """
    if "generation" in cfg.scorer_type:
        raise UserError(
            "The scorer 'generation' in auto_interp.scorer_type would have to run the model and the SAE on new text, "
            f"which explaining from stored examples does not; use some of {', '.join((*SCORERS, 'embedding'))}."
        )
    known = dict(SCORERS)
    if "embedding" in cfg.scorer_type:
        known["embedding"] = EmbeddingScorer(embedder() if embedder else open_embedder(cfg))
    return Scorers({name: known[name] for name in cfg.scorer_type})


__all__ = ["SCORERS", "Scorer", "Scorers", "Task", "scorers_of"]
