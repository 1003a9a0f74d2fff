"""Reading a text: the language model and the SAE of an analysis, run on text that a person typed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from sae_assets.activations.batch import NotFiniteError
from sae_assets.activations.contexts import Context, cut_contexts
from sae_assets.activations.forward import model_activations
from sae_assets.dictionary.checkpoint import checkpoint_identity
from sae_assets.dictionary.sparse_autoencoder import AbstractSparseAutoEncoder
from sae_assets.engine.device import checked_device
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.language_model.tokenizer import TokenizedText, model_location
from sae_assets.runners.analysed_model import TEXT, AnalysedModel, FeatureActivation, TextPiece, TextReading
from sae_assets.settings.errors import NotFoundError, UserError
from sae_assets.settings.model import LanguageModelConfig, torch_dtype
from sae_assets.settings.sae import PretrainedSAE

MAX_TOKENS = 1024
"""Tokens of a text that are read at most, whatever the model can take."""


def load_model(cfg: LanguageModelConfig) -> TransformerLensLanguageModel:
    """The language model, on the CPU where this machine lacks the device that it was analysed on.

    Raises:
        UserError: it is not on this machine and cannot be fetched.
    """
    return TransformerLensLanguageModel(cfg.model_copy(update={"device": _device_here(cfg.device)}))


def load_sae(sae: PretrainedSAE, identity: str | None) -> AbstractSparseAutoEncoder:
    """The SAE, on the CPU likewise.

    Raises:
        UserError: its weights are gone, damaged, or others than those of this identity.
    """
    if checkpoint_identity(sae) != identity:
        raise UserError(
            f"The weights of {sae.pretrained_name_or_path!r} have changed since they were analysed; analyse them again."
        )
    return AbstractSparseAutoEncoder.from_pretrained(sae, device=_device_here(sae.device))


def _device_here(name: str) -> str:
    try:
        return str(checked_device(name))
    except UserError:
        return "cpu"


class _Active(NamedTuple):
    """What is active on the pieces of a text, each pair of a piece and a feature once."""

    piece: Int64[np.ndarray, "active"]
    """Which piece, ascending."""
    feature: Int64[np.ndarray, "active"]
    """Which feature; within a piece from the strongest to the weakest, ties to the smaller index."""
    value: Float32[np.ndarray, "active"]
    """Its activation, the largest on the tokens of the piece."""


class _Read(NamedTuple):
    """A text that was read."""

    texts: list[str]
    """The characters of each piece."""
    active: _Active
    """What is active on them."""
    n_tokens: int
    """Tokens, without those put in."""
    is_truncated: bool
    """Whether some of the text was left out."""


class TextModel:
    """A language model and an SAE that read texts as an analysis reads documents: each from the start of a context."""

    def __init__(self, about: AnalysedModel, model: TransformerLensLanguageModel, sae: AbstractSparseAutoEncoder):
        """The parts of an analysis, loaded."""
        self.about, self.model, self.sae = about, model, sae

    @property
    def max_tokens(self) -> int:
        """Tokens that are read at most, BOS included."""
        return min(MAX_TOKENS, self.model.max_length)

    def activations_of(self, text: str, feature: int) -> TextReading:
        """The activation of one feature on each token.

        Raises:
            NotFoundError: there is no such feature.
            UserError: the text has no token, or model and SAE do not fit together.
        """
        if not 0 <= feature < self.sae.d_sae:
            raise NotFoundError(
                f"There is no feature {feature} in {self.about.key!r}; they go from 0 to {self.sae.d_sae - 1}."
            )
        read = self._read(text)
        is_asked = read.active.feature == feature
        values = dict(zip(read.active.piece[is_asked].tolist(), read.active.value[is_asked].tolist(), strict=True))
        pieces = [TextPiece(piece, values.get(number, 0.0), ()) for number, piece in enumerate(read.texts)]
        return _reading(pieces, read)

    def strongest_features(self, text: str, n_features: int) -> TextReading:
        """The `n_features` strongest features of each token; fewer where fewer are active.

        Raises:
            UserError: the text has no token, or model and SAE do not fit together.
        """
        read = self._read(text)
        active = read.active
        # They are sorted by piece: the rank is the distance from the piece's first.
        rank = np.arange(len(active.piece)) - np.searchsorted(active.piece, active.piece)
        strongest: list[list[FeatureActivation]] = [[] for _ in read.texts]
        columns = (column[rank < n_features].tolist() for column in active)
        for piece, feature, value in zip(*columns, strict=True):
            strongest[piece].append(FeatureActivation(feature, value))
        pieces = [TextPiece(piece, None, tuple(of)) for piece, of in zip(read.texts, strongest, strict=True)]
        return _reading(pieces, read)

    def _read(self, text: str) -> _Read:
        about, tokenizer = self.about, self.model.tokenizer
        n_tokens = _n_with_text(tokenizer.encode(text))
        if n_tokens == 0:
            raise UserError("The text has no token of the language model; type some more.")
        # No longer than it must be, with a place for BOS.
        factory = about.factory.model_copy(update={"context_size": min(n_tokens + 1, self.max_tokens)})
        context = next(cut_contexts(factory, {TEXT: [{"text": text}]}, tokenizer, None, about.ignore_token_ids))
        piece_of, texts = _pieces(context)
        n_read = _n_with_text(context)
        return _Read(texts, self._active(context, piece_of), n_read, n_read < n_tokens)

    def _active(self, context: Context, piece_of: Int64[np.ndarray, "position"]) -> _Active:
        about, sae = self.about, self.sae
        dtype = torch_dtype(about.factory.override_dtype or about.model.dtype)
        (batch,) = model_activations([context], self.model, about.hook_point, dtype, model_batch_size=1)
        if batch.activations.shape[2] != sae.d_model:
            raise UserError(
                f"The language model {model_location(about.model)!r} has d_model {batch.activations.shape[2]} at "
                f"{about.hook_point!r} and the SAE has d_model {sae.d_model}: it is not the model that was analysed."
            )
        (position,) = batch.mask[0].nonzero(as_tuple=True)
        if len(position) == 0:  # special tokens alone
            nothing = np.zeros(0, dtype=np.int64)
            return _Active(nothing, nothing, np.zeros(0, dtype=np.float32))
        x = batch.activations[0].to(sae.encoder.device)[position].float()
        is_finite = x.isfinite().all(1)
        if not is_finite.all():
            raise NotFiniteError(0, int(position[~is_finite][0]))
        active = sae.active_features(x, torch_dtype(about.amp_dtype))
        token, feature, value = (
            column.cpu().numpy() for column in (active.token, active.feature, active.value.float())
        )
        return _by_piece(piece_of[position.numpy()[token]], feature, value)


def _n_with_text(tokens: TokenizedText | Context) -> int:
    """How many tokens are not put in."""
    return int((tokens.stops > tokens.starts).sum())


def _pieces(context: Context) -> tuple[Int64[np.ndarray, "position"], list[str]]:
    """Which piece each token belongs to, and the characters of the pieces."""
    texts: list[str] = []
    piece_of = []
    end = 0
    for start, stop in zip(context.starts.tolist(), context.stops.tolist(), strict=True):
        if start < min(stop, end):
            texts[-1] += context.text[end:stop]
        else:
            texts.append(context.text[start:stop])
        piece_of.append(len(texts) - 1)
        end = max(end, stop)
    return np.array(piece_of, dtype=np.int64), texts


def _by_piece(
    piece: Int64[np.ndarray, "active"], feature: Int64[np.ndarray, "active"], value: Float32[np.ndarray, "active"]
) -> _Active:
    """Sorts what is active on tokens by piece and strength; of a feature's values on a piece, the largest stays."""
    order = np.lexsort((-value, feature, piece))
    piece, feature, value = piece[order], feature[order], value[order]
    is_largest = np.ones(len(order), dtype=bool)
    is_largest[1:] = (piece[1:] != piece[:-1]) | (feature[1:] != feature[:-1])
    piece, feature, value = piece[is_largest], feature[is_largest], value[is_largest]
    order = np.lexsort((feature, -value, piece))
    return _Active(piece[order], feature[order], value[order])


def _reading(pieces: list[TextPiece], read: _Read) -> TextReading:
    """What is given out: tokens that were put in are left out where nothing is active on them."""
    shown = [piece for piece in pieces if piece.text or piece.activation or piece.strongest]
    return TextReading(shown, read.n_tokens, read.is_truncated)
