"""The format of Gemma Scope 2, of Gemma 3: `config.json` and `params.safetensors`.

`gemma-scope-2-1b-pt/resid_post_all/layer_10_width_16k_l0_small/`
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated
from sae_assets.dictionary.formats.files import peek_json, read_json, read_tensors
from sae_assets.dictionary.formats.gemma_scope import BIASES, Place, jumprelu_config, jumprelu_weights
from sae_assets.settings.errors import UserError

HOOK_POINTS = {
    "output": "hook_resid_post",
    "self_attn.o_proj.input": "attn.hook_z",
    "pre_feedforward_layernorm.output": "mlp.hook_in",
    "post_feedforward_layernorm.output": "hook_mlp_out",
}
"""Points in a layer of transformers, and what they are called in a block of TransformerLens."""


class GemmaScope2Config(BaseModel):
    """The fields of a `config.json` that say what a checkpoint computes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    architecture: Literal["jump_relu"]
    """Activation function."""
    hf_hook_point_in: str
    """What is encoded: "model.layers.10.output"."""
    hf_hook_point_out: str | None = None
    """What is reconstructed; where not given, what is encoded."""
    affine_connection: bool = False
    """Whether a linear map of the activations is added to the reconstruction."""
    model_name: str | None = None
    """The model: "google/gemma-3-1b-pt"."""

    @property
    def place(self) -> Place:
        """The hook points in the names of TransformerLens, and the model in that of the Hugging Face hub."""
        out = self.hf_hook_point_out or self.hf_hook_point_in
        return Place(_hook_point(self.hf_hook_point_in), _hook_point(out), _hub_name(self.model_name))


class GemmaScope2:
    """JumpReLU autoencoders and transcoders of one layer, the latter also with an affine skip connection."""

    name: ClassVar[str] = "Gemma Scope 2"
    config_name: ClassVar[str] = "config.json"
    weight_names: ClassVar[tuple[str, ...]] = ("params.safetensors",)

    def fits(self, folder: Path) -> bool:
        """Whether there are such weights, or a config that names a point of transformers."""
        return (folder / self.weight_names[0]).is_file() or "hf_hook_point_in" in peek_json(folder / self.config_name)

    def config(self, folder: Path) -> SAEConfig:
        """What `config.json` says, with the widths that the biases have."""
        path, file = folder / self.config_name, folder / self.weight_names[0]
        recorded = validated(GemmaScope2Config, read_json(path), path)
        return jumprelu_config(_biases(file), recorded.place, file, recorded.affine_connection)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:  # noqa: ARG002
        """The weights; the skip connection is stored as (in, out), as it is here."""
        return jumprelu_weights(read_tensors(file), config, file)


def _biases(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys() if name in BIASES}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(f"The weights {str(file)!r} are damaged and cannot be read; copy them again.") from error


def _hook_point(point: str) -> str | None:
    found = re.search(r"\blayers\.(\d+)\.(.+)", point)
    if found is None or found[2] not in HOOK_POINTS:
        return None
    return f"blocks.{found[1]}.{HOOK_POINTS[found[2]]}"


def _hub_name(model: str | None) -> str | None:
    """The model's name on the hub; some configs write "gemma-v3", and the smallest model is there without "-pt"."""
    if model is None:
        return None
    name = (model if "/" in model else f"google/{model}").replace("-v3", "-3")
    return name.removesuffix("-pt") if "270m" in name else name


GEMMA_SCOPE_2 = GemmaScope2()
