"""The format of the Llama Scope releases (He et al. 2024, arXiv 2410.20526), which lm-saes wrote at that time.

`Llama3_1-8B-Base-L15R-8x/` with `hyperparams.json` and `checkpoints/final.safetensors`
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated, validated_config
from sae_assets.dictionary.formats.files import check_shapes, read_json, read_tensors
from sae_assets.dictionary.normalization import dataset_factor

MODELS = {"Llama3_1-8B-Base": "meta-llama/Llama-3.1-8B"}
"""What the names of folders call a model -> its name on the Hugging Face hub."""


class ActivationNorms(BaseModel):
    """Mean norms of the activations."""

    model_config = ConfigDict(allow_inf_nan=False, frozen=True)

    norm_in: float = Field(alias="in", gt=0)
    """Of those that are encoded."""
    norm_out: float = Field(alias="out", gt=0)
    """Of those that are reconstructed."""


class LlamaScopeConfig(BaseModel):
    """The fields of a `hyperparams.json` that decide what a checkpoint computes."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False, frozen=True)

    d_model: int = Field(ge=1)
    """Width of the activations."""
    d_sae: int = Field(ge=1)
    """Number of features."""
    hook_point_in: str
    """What is encoded."""
    hook_point_out: str
    """What is reconstructed."""
    act_fn: Literal["jumprelu"]
    """Activation function; of the TopK that they were trained with, `top_k` is left."""
    jump_relu_threshold: float = Field(ge=0)
    """Above it, a feature times the norm of its decoder is active, in the units of the raw activations."""
    norm_activation: Literal["dataset-wise"]
    """How activations are scaled: to the norm sqrt(d_model), on average."""
    dataset_average_activation_norm: ActivationNorms
    """What that average is over."""
    sparsity_include_decoder_norm: bool = True
    """Whether the threshold is for features times the norm of their decoder."""
    use_decoder_bias: bool = True
    """Whether a bias is added to the reconstruction."""
    apply_decoder_bias_to_pre_encoder: Literal[False] = False
    """Whether that bias is taken off the activations first, which is not read."""
    use_glu_encoder: Literal[False] = False
    """Whether a second map gates the encoder, which is not read."""


class LlamaScope:
    """Autoencoders and transcoders whose scale of activations is folded into the weights, as lm-saes does to run them.

    The threshold is that of the folded weights, so unfolded ones are not to be had: features are in the units of raw
    activations, which are SAELens' divided by sqrt(d_model) / norm.
    """

    name: ClassVar[str] = "Llama Scope"
    config_name: ClassVar[str] = "hyperparams.json"
    weight_names: ClassVar[tuple[str, ...]] = ("checkpoints/final.safetensors",)

    def fits(self, folder: Path) -> bool:
        """Whether there is such a config."""
        return (folder / self.config_name).is_file()

    def config(self, folder: Path) -> SAEConfig:
        """What `hyperparams.json` says, and the model after the folder's name."""
        recorded = self._recorded(folder)
        path = folder.resolve().as_posix()
        values = recorded.model_dump(
            include={"d_model", "hook_point_in", "hook_point_out", "act_fn", "sparsity_include_decoder_norm"}
        )
        values |= {
            "expansion_factor": recorded.d_sae / recorded.d_model,
            "model_name": next((model for name, model in MODELS.items() if name in path), None),
            "use_decoder_bias": recorded.use_decoder_bias,
            "norm_activation": "inference",
        }
        return validated_config(values, folder / self.config_name)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:
        """The weights, with the scale of the activations folded in and one threshold for all features."""
        recorded, given = self._recorded(folder), read_tensors(file)
        d_in, d_sae = config.d_model, config.d_sae
        shapes = {"encoder.weight": (d_sae, d_in), "encoder.bias": (d_sae,), "decoder.weight": (d_in, d_sae)}
        if config.use_decoder_bias:
            shapes["decoder.bias"] = (d_in,)
        check_shapes(given, shapes, file)
        norms = recorded.dataset_average_activation_norm
        factor_in, factor_out = (dataset_factor(norm, d_in) for norm in (norms.norm_in, norms.norm_out))
        weights = {
            "W_E": given.pop("encoder.weight").T.contiguous(),
            "b_E": given.pop("encoder.bias") / factor_in,
            "W_D": given.pop("decoder.weight").T.contiguous() * (factor_in / factor_out),
            "threshold": torch.full((d_sae,), recorded.jump_relu_threshold),
        }
        if config.use_decoder_bias:
            weights["b_D"] = given.pop("decoder.bias") / factor_out
        return weights | given

    def _recorded(self, folder: Path) -> LlamaScopeConfig:
        path = folder / self.config_name
        return validated(LlamaScopeConfig, read_json(path), path)


LLAMA_SCOPE = LlamaScope()
