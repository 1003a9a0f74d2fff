"""Embedding: is the explanation nearer in meaning to the feature's windows than to others?

Definition: Paulo et al., "Automatically Interpreting Millions of Features in Large Language Models" (2024): windows
across deciles of peak activation and windows in which the feature is silent, ranked by the cosine similarity of their
embedding to the explanation's; the area under the ROC curve, 0.5 by chance. No language model is asked.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sae_assets.interpretation.asking import LLM
from sae_assets.interpretation.embedders import TextEmbedder
from sae_assets.interpretation.embeddings import EmbeddingError, RefusedError
from sae_assets.interpretation.records import Score, Usage
from sae_assets.interpretation.scorers.scorer import Task


class EmbeddingScorer:
    """The scorer with the model that turns texts into vectors."""

    def __init__(self, embedder: TextEmbedder) -> None:
        self.embedder = embedder

    def close(self) -> None:
        """Ends waits for the model."""
        self.embedder.close()

    def __call__(self, task: Task, _llm: LLM, /) -> Score:
        """ROC-AUC over `embedding_n_examples` windows of either kind, or as many as there are.

        A window that the model refuses counts as unreadable; a model that fails leaves no value and stops nothing.

        Raises:
            BudgetEndedError: the run may not pay for the vectors.
        """
        rng, n_examples = task.rng("embedding"), task.cfg.embedding_n_examples
        active, silent = task.examples.draw_active(n_examples, rng), task.examples.draw_silent(n_examples, rng)
        if not active or not silent:
            return _none(f"there are no {'negative' if active else 'positive'} windows to score on")
        windows = [*active, *silent]
        try:
            vectors, usage = self.embedder.embed([task.explanation, *(window.text for window in windows)])
        except (EmbeddingError, RefusedError) as error:
            return _none(str(error))
        is_known = np.linalg.norm(vectors, axis=1) > 0
        if not is_known[0]:
            return _none("the embedding model refused the explanation", usage)
        is_active, is_known = np.array([window.peak > 0 for window in windows]), is_known[1:]
        # Equal vectors have equal sums row by row; a matrix product may round them apart.
        similarity = (vectors[1:].astype(np.float64) * vectors[0]).sum(axis=1)
        value = roc_auc(similarity[is_known & is_active], similarity[is_known & ~is_active])
        reason = None if value is not None else "the embedding model refused too many windows"
        n = int(is_known.sum())
        return Score("embedding", value, n, len(windows) - n, None, None, usage, reason)


def roc_auc(active: Float[np.ndarray, " window"], silent: Float[np.ndarray, " window"]) -> float | None:
    """How often an active window is nearer than a silent one, over all pairs, ties as halves; None without pairs."""
    if not len(active) or not len(silent):
        return None
    _, place, times = np.unique(np.concatenate([active, silent]), return_inverse=True, return_counts=True)
    # Equal values share the mean of their ranks.
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    n_active = len(active)
    return float((ranks[:n_active].sum() - n_active * (n_active + 1) / 2) / (n_active * len(silent)))


def _none(reason: str, usage: Usage | None = None) -> Score:
    return Score("embedding", None, 0, 0, None, None, usage or Usage(), reason)
