"""Making chunks as work of an engine: the language model run over the contexts of one chunk after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sae_assets.activations.chunks import ChunkEntry, ChunkFolder, Manifest, refuse_not_finite
from sae_assets.activations.context_file import read_contexts
from sae_assets.activations.forward import model_activations
from sae_assets.disk.layout import SourceFolder
from sae_assets.language_model.model import TransformerLensLanguageModel
from sae_assets.settings.errors import UserError
from sae_assets.settings.model import LanguageModelConfig, torch_dtype


class UnfitActivationsError(UserError):
    """The model lacks the hook point, or its activations there have another width than they should."""


@dataclass(frozen=True)
class ChunkWork:
    """Makes chunks: computes the activations of one while the one before is written."""

    model: LanguageModelConfig
    """The language model."""
    folder: SourceFolder
    """Where the contexts lie and the chunks are written."""
    manifest: Manifest
    """Hook point, shape, precision and division into chunks."""
    model_batch_size: int | None
    """Contexts in a forward pass."""

    def start(self, device: str | None, advance: Callable[[int], None]) -> Callable[[int], Future[ChunkEntry]]:
        """Loads the model; what it gives takes the number of a chunk.

        Raises:
            UserError: the model cannot be loaded, or does not fit the chunks; or a `NotFiniteError`.
        """
        model = self._loaded(device)
        manifest, form = self.manifest, self.manifest.form
        chunks = ChunkFolder(self.folder.chunks(manifest.hook_point), manifest.hook_point)
        writer = ThreadPoolExecutor(1, thread_name_prefix="chunk-writer")

        def make(number: int) -> Future[ChunkEntry]:
            rows = read_contexts(self.folder.contexts, manifest.contexts_of(number))
            parts = []
            dtype = torch_dtype(form.dtype)
            for batch in model_activations(rows, model, manifest.hook_point, dtype, self.model_batch_size):
                parts.append(refuse_not_finite(batch))
                advance(batch.tokens.numel())
            return writer.submit(chunks.write, number, parts)

        return make

    def _loaded(self, device: str | None) -> TransformerLensLanguageModel:
        cfg = self.model if device is None else self.model.model_copy(update={"device": device})
        model = TransformerLensLanguageModel(cfg)
        hook_point, d_model = self.manifest.hook_point, self.manifest.form.d_model
        try:
            width = model.width(hook_point)
        except UserError as error:
            raise UnfitActivationsError(str(error)) from None
        if width != d_model:
            raise UnfitActivationsError(
                f"The activations at {hook_point!r} have d_model {width} and the checkpoint has d_model {d_model}; "
                "give the model that it was trained on."
            )
        return model
