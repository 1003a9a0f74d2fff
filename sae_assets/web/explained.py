"""The explanations of an analysis, held in memory so that they can be searched, filtered and sorted."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

import numpy as np
from jaxtyping import Bool, Float64

from sae_assets.store.kept_documents import ExplanationDocument

OVERHEAD_BYTES = 300
"""About what Python's own objects take for an explanation."""


class ExplainedFeatures:
    """The current explanations by feature. They change in place; a reader sees each either before or after a change."""

    def __init__(self, d_sae: int):
        """Nothing is explained yet."""
        self.texts = [""] * d_sae
        """The explanation of each feature; empty where there is none."""
        self.folded = [""] * d_sae
        """The same without case."""
        self.is_explained: Bool[np.ndarray, "feature"] = np.zeros(d_sae, bool)
        """Whether there is one."""
        self.scores: dict[str, Float64[np.ndarray, "feature"]] = {}
        """By scorer, the score of each feature's explanation; NaN where there is none."""
        self.newest_ms = 0
        """When the last one was written, in milliseconds since 1970."""
        self._n_characters = 0
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """About the memory that it takes."""
        kept = sum(column.nbytes for column in self.scores.values())
        return kept + 2 * self._n_characters + OVERHEAD_BYTES * int(self.is_explained.sum())

    @property
    def scorers(self) -> list[str]:
        """Names of the scorers, in alphabetical order."""
        return sorted(self.scores)

    def known_scores(self, scorer: str) -> Float64[np.ndarray, "scored"]:
        """All scores by this scorer."""
        column = self.scores[scorer]
        return column[~np.isnan(column)]

    def mean_score(self, scorer: str) -> float | None:
        """Their mean; None where there is none."""
        known = self.known_scores(scorer)
        return float(known.mean()) if len(known) else None

    def put(self, explanations: Iterable[ExplanationDocument]) -> None:
        """Takes explanations in, in place of what was known of their features."""
        with self._lock:
            for one in explanations:
                if 0 <= one.index < len(self.texts):
                    self._put(one)

    def _put(self, one: ExplanationDocument) -> None:
        self._n_characters += len(one.text) - len(self.texts[one.index])
        folded = one.text.casefold()
        self.texts[one.index] = one.text
        self.folded[one.index] = one.text if folded == one.text else folded
        self.is_explained[one.index] = True
        self.newest_ms = max(self.newest_ms, one.written_ms)
        given = {score["scorer"]: score.get("value") for score in one.scores}
        for scorer in given.keys() - self.scores.keys():
            self.scores[scorer] = np.full(len(self.texts), np.nan)
        for scorer, column in self.scores.items():
            value = given.get(scorer)
            column[one.index] = np.nan if value is None else value
