"""The language model behind a small interface: activations up to a hook point, the final norm and the unembedding."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sae_assets.engine.device import checked_device
from sae_assets.language_model.tokenizer import TextTokenizer, cannot_load, model_location
from sae_assets.settings.errors import UserError, unknown
from sae_assets.settings.model import LanguageModelConfig

if TYPE_CHECKING:
    from transformer_lens.hook_points import HookPoint
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedModel


class TransformerLensLanguageModel:
    """A causal language model, run by TransformerLens."""

    def __init__(self, cfg: LanguageModelConfig):
        """Loads model and tokenizer.

        Raises:
            UserError: the model cannot be found or read, or the device does not exist.
        """
        if cfg.backend == "tokenizer_only":
            raise UserError("The backend 'tokenizer_only' loads no weights; activations need the backend 'auto'.")
        self.cfg = cfg
        self.device = checked_device(cfg.device)
        self.tokenizer = TextTokenizer(cfg)
        self.bridge = _boot(cfg, self.tokenizer, self.device)
        self.largest_pass: int | None = None
        """Tokens in the largest forward pass that may be tried, once a larger one did not fit into memory."""

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.cfg.torch_dtype

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self.bridge.cfg.d_model

    @property
    def n_layers(self) -> int:
        """Number of blocks."""
        return self.bridge.cfg.n_layers

    @property
    def max_length(self) -> int:
        """Longest context that can be run, in tokens."""
        return min(self.cfg.max_length, self.bridge.cfg.n_ctx)

    @cached_property
    def hook_points(self) -> list[str]:
        """Names of all points that activations can be taken at."""
        return sorted(self.bridge.hook_dict)

    def check_hook_point(self, name: str) -> None:
        """Raises a UserError that names the nearest hook point, unless the model has this one."""
        if name not in self.bridge.hook_dict:
            raise unknown("hook point", name, self.hook_points, where=f"the model {model_location(self.cfg)!r}")

    def activations(
        self, tokens: Int[Tensor, "context position"], hook_points: Sequence[str]
    ) -> dict[str, Float[Tensor, "context position d_model"]]:
        """Activations at each hook point, the forward pass stopped after the last layer that one of them lies in.

        What lies behind the positions (attention heads, say) is flattened to one axis. The model is causal, so padding
        to the right changes nothing before it.

        Raises:
            UserError: a hook point does not exist or has no activations of tokens, or the contexts are longer than the
                model can take.
        """
        for name in hook_points:
            self.check_hook_point(name)
        if tokens.shape[1] > self.max_length:
            raise UserError(
                f"Contexts of {tokens.shape[1]} tokens are longer than the {self.max_length} that the model "
                f"{model_location(self.cfg)!r} takes; lower `context_size` or raise `max_length`."
            )
        given = self._hooked(tokens.to(self.device), hook_points)
        for name in hook_points:
            if name not in given or given[name].ndim < 3 or given[name].shape[:2] != tokens.shape:
                raise UserError(
                    f"Hook point {name!r} of the model {model_location(self.cfg)!r} has no activations of tokens; give "
                    "another one, such as 'blocks.0.hook_resid_post'."
                )
        return {name: given[name].flatten(2).clone() for name in hook_points}

    def _hooked(self, tokens: Int[Tensor, "context position"], hook_points: Sequence[str]) -> dict[str, Tensor]:
        """What goes through the hook points; those that nothing goes through are left out."""
        from sae_assets.language_model.bare_norms import bare_norms

        points = {name: self.bridge.hook_dict[name] for name in hook_points}
        # TransformerLens has several names for a hook point and calls it by one of them.
        own_names = {name: point.name for name, point in points.items()}
        given: dict[str | None, Tensor] = {}

        def keep(activations: Tensor, hook: HookPoint) -> None:
            given[hook.name] = activations

        stop_layer = self._stop_layer(hook_points)
        with torch.inference_mode(), bare_norms(self.bridge.blocks[:stop_layer], points.values()):
            self.bridge.run_with_hooks(
                tokens,
                # A filter and not names: it passes over hook points that are switched off.
                fwd_hooks=[(lambda name: name in own_names.values(), keep)],
                stop_at_layer=stop_layer,
                prepend_bos=False,
                return_type=None,
            )
        return {name: given[own_name] for name, own_name in own_names.items() if own_name in given}

    def width(self, hook_point: str) -> int:
        """Width of the activations at a hook point, by a pass over a few tokens.

        Raises:
            UserError: the hook point does not exist or has no activations of tokens.
        """
        return self.activations(torch.zeros(2, 3, dtype=torch.long), [hook_point])[hook_point].shape[-1]

    @property
    def unembedding(self) -> Float[Tensor, "d_model vocab"]:
        """The unembedding matrix, without its bias."""
        embeddings = cast("PreTrainedModel", self.bridge.original_model).get_output_embeddings()
        return cast(torch.nn.Linear, embeddings).weight.detach().T

    def final_norm(self, x: Float[Tensor, "feature d_model"]) -> Float[Tensor, "feature d_model"]:
        """The norm before the unembedding, with its weight and without its bias, which no feature is the cause of."""
        with torch.inference_mode():
            norm = cast(torch.nn.Module, self.bridge.ln_final)
            return norm(x) - norm(torch.zeros_like(x[:1]))

    def _stop_layer(self, hook_points: Sequence[str]) -> int | None:
        """The first layer that need not run; None where a hook point lies behind the last block."""
        layers = [_layer(name) for name in hook_points]
        if any(layer is None for layer in layers):
            return None
        return max(layer for layer in layers if layer is not None) + 1


def _layer(hook_point: str) -> int | None:
    """The block that a hook point lies in; -1 before the first block, None behind the last."""
    block = re.match(r"blocks\.(\d+)\.", hook_point)
    if block:
        return int(block[1])
    return 0 if "embed" in hook_point and "unembed" not in hook_point else None


def _boot(cfg: LanguageModelConfig, tokenizer: TextTokenizer, device: torch.device) -> TransformerBridge:
    from transformer_lens.model_bridge import TransformerBridge
    from transformers.utils.logging import disable_progress_bar

    if not sys.stderr.isatty():
        disable_progress_bar()
    try:
        bridge = TransformerBridge.boot_transformers(
            model_location(cfg), device=device, dtype=cfg.torch_dtype, tokenizer=tokenizer.hugging_face
        )
    except (OSError, ValueError, KeyError) as error:
        raise cannot_load(cfg, error) from error
    bridge.eval()
    return bridge
