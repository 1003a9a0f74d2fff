"""Which features of an analysis are active on which contexts, by the numbers that the analysis itself saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool

from sae_assets.activations.batch import ActivationBatch
from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.activations.chosen_contexts import ChosenContexts
from sae_assets.activations.context import Context
from sae_assets.activations.factory import source_of_chunks
from sae_assets.activations.forward import model_activations
from sae_assets.analysis.encoding import BLOCK_TOKENS, encoded_contexts
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.device import leased
from sae_assets.engine.progress import Progress, silent
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.runners.analysed_model import AnalysedModel, analysed_model, analysed_sae, settings_of
from sae_assets.runners.text_activations import load_model, load_sae
from sae_assets.settings import (
    ActivationFactoryActivationsSource,
    AnalyzeSAESettings,
    UserError,
    torch_dtype,
)
from sae_assets.store.connection import Store
from sae_assets.store.lookup import FoundAnalysis

KNOWN_BYTES = 1 << 28
"""Memory for what is known of contexts; a context takes a bit for each feature."""


class _Model(NamedTuple):
    """A language model that was loaded."""

    about: AnalysedModel
    """How the analysis used it."""
    model: TransformerLensLanguageModel
    """The model."""


class FeatureSet:
    """Some of the features of a dictionary, in a bit each."""

    def __init__(self, is_member: Bool[np.ndarray, "feature"]):
        """The features that are marked."""
        self._bits = np.packbits(is_member)

    def __contains__(self, feature: int) -> bool:
        """Whether the feature is one of them."""
        return bool(self._bits[feature // 8] << feature % 8 & 128)


class ContextFeatures:
    """Encodes contexts as the analysis did and remembers what is active on them, as near features share contexts.

    Activations come out of the chunks of the analysis' source; where those are gone, the language model is run.
    """

    def __init__(self, store: Store, found: FoundAnalysis, data: DataFolder, progress: Progress = silent):
        """Loads the SAE; `progress` is told where a GPU has to be waited for.

        Raises:
            UserError: its weights are gone or have changed, or the analysis came without its settings.
        """
        self._store, self._found, self._progress = store, found, progress
        self._settings = settings_of(found.analysis)
        sae = analysed_sae(found, self._settings)
        self._sae = load_sae(sae, found.analysis.identity)
        self._device = sae.device if self._sae.encoder.device.type != "cpu" else "cpu"
        self._hook_point = found.sae.hook_point or found.sae.config["hook_point_in"]
        self._chunks = _chunks(self._settings, found, data, self._hook_point)
        self._known: dict[int, FeatureSet] = {}

    def active_on(self, contexts: Iterable[Context]) -> dict[int, FeatureSet]:
        """By context number, the features above 0 on some token that counts, of the whole context.

        Raises:
            UserError: the chunks that a context lies in are gone, and the language model cannot be run.
        """
        asked = {context.context_idx: context for context in contexts}
        found = {number: self._known[number] for number in asked if number in self._known}
        new = [asked[number] for number in sorted(asked.keys() - found.keys())]
        if new:
            with leased(self._device, self._progress):
                found |= self._encoded(new)
            self._remember(found)
        return found

    def _encoded(self, contexts: Sequence[Context]) -> dict[int, FeatureSet]:
        found: dict[int, FeatureSet] = {}
        at_a_time = max(1, BLOCK_TOKENS // len(contexts[0].tokens))
        for first in range(0, len(contexts), at_a_time):
            batch = self._chunks.batch(contexts[first : first + at_a_time]) if self._chunks else None
            found |= self._active(batch) if batch else {}
        for batch in self._computed([context for context in contexts if context.context_idx not in found]):
            found |= self._active(batch)
        return found

    @torch.no_grad()
    def _active(self, batch: ActivationBatch) -> dict[int, FeatureSet]:
        ignored = torch.tensor(self._settings.analyzer.ignore_token_ids or (), dtype=torch.int64)
        counted = replace(batch, mask=batch.mask & ~torch.isin(batch.tokens, ignored))
        nothing = FeatureSet(np.zeros(self._sae.d_sae, dtype=bool))
        found = dict.fromkeys(batch.context_idx.tolist(), nothing)  # also those without a token that counts
        amp_dtype = torch_dtype(self._settings.amp_dtype)
        for encoded in encoded_contexts(counted.to(self._sae.encoder.device), self._sae, amp_dtype):
            active = encoded.active
            is_active = torch.zeros(len(encoded.context_idx), self._sae.d_sae, dtype=torch.bool)
            is_active[active.context.cpu(), active.feature.cpu()] = True
            found |= zip(encoded.context_idx.tolist(), map(FeatureSet, is_active.numpy()), strict=True)
        return found

    def _computed(self, contexts: Sequence[Context]) -> Iterator[ActivationBatch]:
        if contexts:
            about, model = self._model
            dtype = torch_dtype(about.factory.override_dtype or about.model.dtype)
            yield from model_activations(contexts, model, self._hook_point, dtype, about.factory.model_batch_size)

    @cached_property
    def _model(self) -> _Model:
        """The language model, loaded when the first context needs it."""
        try:
            about = analysed_model(self._store, self._found)
            return _Model(about, load_model(about.model))
        except UserError as error:
            raise UserError(
                f"The activations of {self._found.analysis.id!r} are not in this data folder, and its language model "
                f"cannot be run instead: {error}"
            ) from None

    def _remember(self, found: dict[int, FeatureSet]) -> None:
        self._known |= found
        while len(self._known) > KNOWN_BYTES * 8 // self._sae.d_sae:
            del self._known[next(iter(self._known))]


def _chunks(
    settings: AnalyzeSAESettings, found: FoundAnalysis, data: DataFolder, hook_point: str
) -> ChosenContexts | None:
    """The chunks that the analysis read, wherever they lay; None where they are gone or others lie in their place."""
    first = settings.activation_factory.sources[0]
    source = SourceOnDisk(data.source(found.analysis.source or ""))
    if isinstance(first, ActivationFactoryActivationsSource):
        try:
            source = source_of_chunks(first, hook_point)
        except UserError:
            return None
    return ChosenContexts(source.chunks(hook_point)) if source.fingerprint == found.analysis.source else None
