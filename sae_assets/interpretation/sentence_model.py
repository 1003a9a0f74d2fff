"""A sentence-transformers model on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sae_assets.interpretation.allotments import NOTHING, Amount
from sae_assets.interpretation.embeddings import Embedded, EmbeddingError
from sae_assets.interpretation.records import Usage
from sae_assets.settings import UserError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FIELD = "auto_interp.embedding.sentence_model"


class SentenceModel:
    """A model in memory, on the GPU where there is one. Threads that ask at once take turns."""

    def __init__(self, name: str) -> None:
        """Loads the model, from the hub where it is no local folder. Code that comes with a model is never run.

        Raises:
            UserError: sentence-transformers is not installed, or the model is not there or cannot be read.
        """
        self._name = name
        self._model = _load(name)
        self._asking = threading.Lock()

    def __repr__(self) -> str:
        return f"SentenceModel({self._name!r})"

    def embed(self, texts: Sequence[str]) -> Embedded:
        """What each text means, as a vector of length 1; of a long text, the part that the model can read.

        Raises:
            EmbeddingError: the model failed, as for want of memory.
        """
        if not texts:
            return Embedded(np.zeros((0, self._model.get_embedding_dimension() or 0), np.float32), Usage())
        try:
            with self._asking:
                vectors = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
        except RuntimeError as error:
            raise EmbeddingError(f"The sentence model {self._name!r} failed: {_reason(error)}.") from error
        return Embedded(np.asarray(vectors, dtype=np.float32), Usage())

    def foresee(self, _texts: Sequence[str], /) -> Amount:
        """Nothing, as this machine costs nothing."""
        return NOTHING

    def close(self) -> None:
        """Nothing is held open."""


def _load(name: str) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UserError(
            f"{FIELD} is set and sentence-transformers is not installed; run `pip install 'sae-assets[sentences]'`."
        ) from error
    path = Path(name).expanduser()
    if not path.is_dir() and name.startswith(("/", ".", "~")):
        raise UserError(f"{FIELD} is {name!r}, and there is no such folder.")
    try:
        return SentenceTransformer(str(path) if path.is_dir() else name, trust_remote_code=False)
    except Exception as error:
        if path.is_dir():
            raise UserError(
                f"The folder {name!r} of {FIELD} holds no model that sentence-transformers can read: {_reason(error)}."
            ) from error
        raise UserError(
            f"The sentence model {name!r} is neither a local folder nor on the Hugging Face hub as far as can be "
            f"reached; check {FIELD}."
        ) from error


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
