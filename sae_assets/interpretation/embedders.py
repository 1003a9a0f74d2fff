"""What turns texts into vectors for scores: a model on this machine, or one at an endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sae_assets.interpretation.allotments import Amount
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.embeddings import Embedded, Embedder
from sae_assets.interpretation.metered_embedder import MeteredEmbedder
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.settings import AutoInterpConfig, UserError


class TextEmbedder(Protocol):
    """An embedding model. Used from any number of threads."""

    def embed(self, texts: Sequence[str]) -> Embedded:
        """What each text means, as a vector of length 1; zeros for a text that the model refuses.

        Raises:
            EmbeddingError: the model gave no vectors.
            RefusedError: it refused each of the texts.
            BudgetEndedError: the run may not pay for them.
            UserError: nothing more can be embedded in this run.
        """
        ...

    def foresee(self, texts: Sequence[str], /) -> Amount:
        """What these texts would take; nothing for those that are known."""
        ...

    def close(self) -> None:
        """Ends waits and lets go of what is held open."""
        ...


def open_embedder(
    cfg: AutoInterpConfig, ledger: Ledger | None = None, vectors: VectorCache | None = None
) -> TextEmbedder:
    """The embedding model of the settings: the sentence model where one is named, else the endpoint's.

    Args:
        ledger: the run's account, where the endpoint's vectors are entered. A sentence model costs nothing.
        vectors: where they are kept. Those of a sentence model are not: what a folder holds may change.

    Raises:
        UserError: neither is named, or the one that is cannot be used; there is a limit on the cost, and settings do
            not say what the endpoint's costs.
    """
    embedding = cfg.embedding
    if embedding.sentence_model is not None:
        from sae_assets.interpretation.sentence_model import SentenceModel

        return SentenceModel(embedding.sentence_model)
    if embedding.model is None:
        raise UserError(
            "No embedding model is configured; set auto_interp.embedding.model (or SAE_ASSETS_EMBEDDING_MODEL) for one "
            "at an endpoint, or auto_interp.embedding.sentence_model for one on this machine."
        )
    return MeteredEmbedder(Embedder(embedding), cfg, ledger or Ledger(), vectors)
