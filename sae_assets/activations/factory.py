"""`ActivationFactory`: batches of activations, made by a language model on datasets or read from chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from upath import UPath

from sae_assets.activations.batch import ActivationBatch, ContextBatch, TokenActivations
from sae_assets.activations.cached_source import SourceOnDisk
from sae_assets.activations.chunks import rebatched
from sae_assets.activations.contexts import cut_contexts
from sae_assets.activations.forward import model_activations
from sae_assets.activations.shuffling import single_tokens
from sae_assets.disk.layout import SourceFolder
from sae_assets.engine.device import checked_device
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings.activation import (
    ActivationFactoryActivationsSource,
    ActivationFactoryConfig,
    ActivationFactoryTarget,
)
from sae_assets.settings.errors import UserError, unknown
from sae_assets.settings.model import torch_dtype


class ActivationFactory:
    """Makes what its settings' `target` names: contexts, activations with their contexts, or activations of tokens."""

    def __init__(self, cfg: ActivationFactoryConfig):
        """A factory with these settings; it holds no state between calls."""
        self.cfg = cfg

    def process(
        self,
        *,
        model: TransformerLensLanguageModel | None = None,
        datasets: Mapping[str, Any] | None = None,
        token_budget: int | None = None,
        hook_point: str | None = None,
        ignore_token_ids: Sequence[int] = (),
    ) -> Iterator[ContextBatch] | Iterator[ActivationBatch] | Iterator[TokenActivations]:
        """What the target names, in batches of `batch_size`: contexts, or tokens for "activations-1d".

        The arguments are those of `activations`.
        """
        match self.cfg.target:
            case ActivationFactoryTarget.TOKENS:
                return self._contexts(model, datasets, token_budget, hook_point, ignore_token_ids)
            case ActivationFactoryTarget.ACTIVATIONS_2D:
                return self.activations(model, datasets, token_budget, hook_point, ignore_token_ids)
            case ActivationFactoryTarget.ACTIVATIONS_1D:
                batches = self.activations(model, datasets, token_budget, hook_point, ignore_token_ids)
                buffer_size = self.cfg.buffer_size if self.cfg.buffer_shuffle else None
                return single_tokens(batches, self.cfg.batch_size, buffer_size, self.cfg.seed)

    def activations(
        self,
        model: TransformerLensLanguageModel | None = None,
        datasets: Mapping[str, Any] | None = None,
        token_budget: int | None = None,
        hook_point: str | None = None,
        ignore_token_ids: Sequence[int] = (),
    ) -> Iterator[ActivationBatch]:
        """Whole contexts with their activations.

        Args:
            model: the language model; not needed where the source is chunks.
            datasets: for each dataset source a dataset of the `datasets` library or a `DatasetConfig`.
            token_budget: tokens that count, at most; all there are where not given. Chunks keep the budget and the
                ignored tokens that they were made with.
            hook_point: which of the settings' hook points; not needed where there is only one.
            ignore_token_ids: tokens that count nowhere, beside those of the settings.

        Raises:
            UserError: the settings and the arguments do not fit together, or a source cannot be read.
        """
        name = self._hook_point(hook_point)
        if self._reads_chunks:
            return self._from_chunks(name)
        checked = _required(model, self.cfg)
        contexts = cut_contexts(self.cfg, datasets or {}, checked.tokenizer, token_budget, ignore_token_ids)
        dtype = torch_dtype(self.cfg.override_dtype) if self.cfg.override_dtype else checked.dtype
        batches = model_activations(contexts, checked, name, dtype, self.cfg.model_batch_size)
        return rebatched(batches, self.cfg.batch_size)

    @property
    def _reads_chunks(self) -> bool:
        return any(isinstance(source, ActivationFactoryActivationsSource) for source in self.cfg.sources)

    def _from_chunks(self, hook_point: str) -> Iterator[ActivationBatch]:
        if len(self.cfg.sources) > 1:
            raise UserError("Activations are read from one source at a time; give that one alone in `sources`.")
        source = self.cfg.sources[0]
        assert isinstance(source, ActivationFactoryActivationsSource)  # the only source, and one of them is
        device = checked_device(source.device)
        dtype = torch_dtype(source.dtype) if source.dtype else None
        for batch in source_of_chunks(source, hook_point).batches(hook_point, self.cfg.batch_size):
            yield batch.to(device, dtype)

    def _contexts(
        self,
        model: TransformerLensLanguageModel | None,
        datasets: Mapping[str, Any] | None,
        token_budget: int | None,
        hook_point: str | None,
        ignore_token_ids: Sequence[int],
    ) -> Iterator[ContextBatch]:
        if self._reads_chunks:
            for batch in self._from_chunks(self._hook_point(hook_point)):
                yield ContextBatch(batch.context_idx, batch.tokens, batch.mask)
            return
        tokenizer = _required(model, self.cfg).tokenizer
        contexts = cut_contexts(self.cfg, datasets or {}, tokenizer, token_budget, ignore_token_ids)
        while rows := list(islice(contexts, self.cfg.batch_size)):
            yield ContextBatch.of(rows)

    def _hook_point(self, chosen: str | None) -> str:
        hook_points = self.cfg.hook_points
        if chosen is None and len(hook_points) > 1:
            raise UserError(f"The activation factory has the hook points {hook_points}; say which one is meant.")
        if chosen is not None and chosen not in hook_points:
            raise unknown("hook point", chosen, hook_points, where="`activation_factory.hook_points`")
        return chosen or hook_points[0]


def source_of_chunks(source: ActivationFactoryActivationsSource, hook_point: str) -> SourceOnDisk:
    """The activation source whose folder, or whose folder of chunks, the settings name.

    Raises:
        UserError: there is no such folder, or none is named for the hook point.
    """
    place = source.path
    if isinstance(place, dict):
        if hook_point not in place:
            raise unknown("hook point", hook_point, place, where=f"`path` of the source {source.name!r}")
        place = place[hook_point]
    path = UPath(place)
    for folder in (path, *list(path.parents)[:2]):
        if (folder / "source.json").exists():
            return SourceOnDisk(SourceFolder(folder))
    raise UserError(
        f"The folder {place!r} of the source {source.name!r} holds no activation source; give one that has a "
        "source.json, `<data>/sources/<fingerprint>`."
    )


def _required(model: TransformerLensLanguageModel | None, cfg: ActivationFactoryConfig) -> TransformerLensLanguageModel:
    if model is None:
        names = ", ".join(repr(source.name) for source in cfg.sources)
        raise UserError(f"The sources {names} are datasets, which need a language model; give `model`.")
    return model
