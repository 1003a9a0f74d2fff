"""The format of sparsify (EleutherAI): TopK autoencoders and transcoders in `cfg.json` and `sae.safetensors`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated, validated_config
from sae_assets.dictionary.formats.equivalents import bias_without_subtraction
from sae_assets.dictionary.formats.files import check_shapes, peek_json, read_json, read_tensors

MODULE = re.compile(r"(?:layers|h)\.(\d+)(?:\.(mlp|attn|attention|self_attn))?")
"""Names of modules in transformers that say by themselves where they are."""


class SparsifyConfig(BaseModel):
    """The fields of a `cfg.json` that decide what a checkpoint computes, at the defaults of eai-sparsify 1.3."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    d_in: int = Field(ge=1)
    """Width of the activations."""
    expansion_factor: int = Field(default=32, ge=1)
    """Features a dimension, where `num_latents` is 0."""
    num_latents: int = Field(default=0, ge=0)
    """Number of features, where it is not 0."""
    k: int = Field(default=32, ge=1)
    """Active features a token."""
    transcode: bool = False
    """Whether the module's output is reconstructed from its input."""
    skip_connection: bool = False
    """Whether a linear map of the input is added to the reconstruction."""
    activation: Literal["topk"] = "topk"
    """Activation function; "groupmax" is not read."""
    signed: Literal[False] = False
    """Whether features may be below 0 (before version 1.2), which is not read."""
    embed_skip: Literal[False] = False
    """Whether a map of the token embeddings is added to the reconstruction, which is not read."""
    gram_lookup: Literal[False] = False
    """Whether the mean activation of the last tokens is taken off first, which is not read."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return self.num_latents or self.d_in * self.expansion_factor


class Sparsify:
    """What sparsify saves, one folder a module of the model."""

    name: ClassVar[str] = "sparsify"
    config_name: ClassVar[str] = "cfg.json"
    weight_names: ClassVar[tuple[str, ...]] = ("sae.safetensors",)

    def fits(self, folder: Path) -> bool:
        """Whether there are such weights, or a `cfg.json` with a width of activations and no number of features."""
        values = peek_json(folder / self.config_name)
        return (folder / self.weight_names[0]).is_file() or ("d_in" in values and "d_sae" not in values)

    def config(self, folder: Path) -> SAEConfig:
        """What `cfg.json` says, the hook points after the folder, and the model after the `config.json` above it."""
        path = folder / self.config_name
        config = validated(SparsifyConfig, read_json(path), path)
        # A run with several random seeds has one folder more: layers.10/seed0.
        module = folder if not re.fullmatch(r"seed\d+", folder.name) else folder.parent
        model = peek_json(module.parent / "config.json").get("model")
        hook_point_in, hook_point_out = _hook_points(module.name, config.transcode)
        values = {
            "d_model": config.d_in,
            "expansion_factor": config.d_sae / config.d_in,
            "hook_point_in": hook_point_in,
            "hook_point_out": hook_point_out,
            "model_name": model if isinstance(model, str) else None,
            "act_fn": "topk",
            "top_k": config.k,
            "norm_activation": "inference",
            "sparsity_include_decoder_norm": False,
            "skip_connection": config.skip_connection,
        }
        return validated_config(values, path)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:
        """The weights; where it is no transcoder, sparsify encodes x - b_dec, which is folded into the bias."""
        path = folder / self.config_name
        is_transcoder = validated(SparsifyConfig, read_json(path), path).transcode
        d_in, d_sae = config.d_model, config.d_sae
        shapes = {"encoder.weight": (d_sae, d_in), "encoder.bias": (d_sae,), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
        if config.skip_connection:
            shapes["W_skip"] = (d_in, d_in)
        given = read_tensors(file)
        check_shapes(given, shapes, file)
        weights = {
            "W_E": given.pop("encoder.weight").T.contiguous(),
            "b_E": given.pop("encoder.bias"),
            "W_D": given.pop("W_dec"),
            "b_D": given.pop("b_dec"),
        }
        if not is_transcoder:
            weights["b_E"] = bias_without_subtraction(weights["W_E"], weights["b_E"], weights["b_D"])
        if config.skip_connection:
            weights["W_skip"] = given.pop("W_skip").T.contiguous()
        return weights | given


def _hook_points(module: str, is_transcoder: bool) -> tuple[str | None, str | None]:
    """What is encoded and what is reconstructed: what goes into a module of transformers, and what comes out of it.

    `mlp.hook_out` is what the module gives in every model; `hook_mlp_out` lies behind the norm that Gemma 2 has there.
    """
    if module == "embed_tokens" and not is_transcoder:
        return "hook_embed", "hook_embed"
    found = MODULE.fullmatch(module)
    if found is None:
        return None, None
    layer, part = found.groups()
    match part:
        case None:
            ends = "hook_resid_pre", "hook_resid_post"
        case "mlp":
            ends = "mlp.hook_in", "mlp.hook_out"
        case _:
            ends = "attn.hook_in", "attn.hook_out"
    hook_in, hook_out = (f"blocks.{layer}.{end}" for end in ends)
    return (hook_in if is_transcoder else hook_out), hook_out


SPARSIFY = Sparsify()
