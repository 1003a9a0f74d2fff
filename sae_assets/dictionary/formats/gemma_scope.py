"""The format of Gemma Scope (Lieberum et al. 2024, arXiv 2408.05147): `params.npz`, all else in the folders' names.

`gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz`
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated_config
from sae_assets.dictionary.formats.files import check_shapes
from sae_assets.dictionary.formats.numpy_file import read_arrays
from sae_assets.settings.errors import UserError

BIASES = ("b_enc", "b_dec")
"""What says how many features and dimensions there are, without the large weights being read."""
REPOSITORY = re.compile(r"gemma-scope-(?P<model>\d+b-(?:pt|it))-(?P<site>res|mlp|att|transcoders)\b")
SITES = {
    "res": ("hook_resid_post", "hook_resid_post"),
    "mlp": ("hook_mlp_out", "hook_mlp_out"),
    "att": ("attn.hook_z", "attn.hook_z"),
    "transcoders": ("ln2.hook_normalized", "hook_mlp_out"),
}
"""What is encoded and what is reconstructed in the block that a folder names, by the kind of its repository.

`hook_mlp_out` lies behind the norm that Gemma has there; transcoders encode what the norm's gain has not scaled yet.
"""


class Place(NamedTuple):
    """Where a checkpoint's activations are; None where nothing says so."""

    hook_point_in: str | None = None
    """Point of the model whose activations are encoded."""
    hook_point_out: str | None = None
    """Point of the model whose activations are reconstructed."""
    model_name: str | None = None
    """The model's name on the Hugging Face hub."""


class GemmaScope:
    """JumpReLU autoencoders and transcoders of Gemma 2: relu(x W_enc + b_enc) where that is above the threshold."""

    name: ClassVar[str] = "Gemma Scope"
    config_name: ClassVar[str] = ""
    weight_names: ClassVar[tuple[str, ...]] = ("params.npz",)

    def fits(self, folder: Path) -> bool:
        """Whether there are such weights."""
        return (folder / self.weight_names[0]).is_file()

    def config(self, folder: Path) -> SAEConfig:
        """The widths that the biases have, the hook points and the model that the folder and those above it name."""
        file = folder / self.weight_names[0]
        return jumprelu_config(read_arrays(file, BIASES), place_of(folder), file)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:  # noqa: ARG002
        """The weights; those of the embedding are scaled to the activations that the model computes."""
        weights = jumprelu_weights(read_arrays(file), config, file)
        if config.hook_point_in == "hook_embed":
            # Trained on the rows of the embedding, which Gemma multiplies by sqrt(d_model); scaled as SAELens does it.
            factor = config.d_model**0.5
            weights |= {"W_E": weights["W_E"] / factor, "W_D": weights["W_D"] * factor}
        return weights


def place_of(folder: Path) -> Place:
    """What the names of a folder and of those above it say, in the layout of the release."""
    path = folder.resolve().as_posix()
    repository = REPOSITORY.search(path)
    if repository is None:
        return Place()
    model_name = "google/gemma-2-" + repository["model"].removesuffix("-pt")
    if "/embedding/" in path:
        return Place("hook_embed", "hook_embed", model_name)
    layer = re.search(r"/layer_(\d+)(?:/|$)", path)
    if layer is None:
        return Place(model_name=model_name)
    hook_point_in, hook_point_out = (f"blocks.{layer[1]}.{point}" for point in SITES[repository["site"]])
    return Place(hook_point_in, hook_point_out, model_name)


def jumprelu_config(biases: Mapping[str, Tensor], place: Place, file: Path, skip_connection: bool = False) -> SAEConfig:
    """The config of a JumpReLU SAE or transcoder with the `BIASES` in `file`; a UserError where one is missing."""
    missing = sorted(set(BIASES) - biases.keys())
    if missing:
        raise UserError(f"The weights {str(file)!r} are incomplete: {missing} are missing.")
    d_sae, d_model = (biases[name].numel() for name in BIASES)
    values = {
        "d_model": d_model,
        "expansion_factor": d_sae / max(d_model, 1),
        **place._asdict(),
        "act_fn": "jumprelu",
        "norm_activation": "inference",
        "sparsity_include_decoder_norm": False,
        "skip_connection": skip_connection,
    }
    return validated_config(values, file)


def jumprelu_weights(given: Mapping[str, Tensor], config: SAEConfig, file: Path) -> dict[str, Tensor]:
    """The weights of a JumpReLU SAE or transcoder by the names of `SparseAutoEncoder`."""
    d_in, d_sae = config.d_model, config.d_sae
    weights = {re.sub("^w_", "W_", name): value for name, value in given.items()}
    shapes = {
        "W_enc": (d_in, d_sae),
        "b_enc": (d_sae,),
        "threshold": (d_sae,),
        "W_dec": (d_sae, d_in),
        "b_dec": (d_in,),
    }
    if config.skip_connection:
        shapes["affine_skip_connection"] = (d_in, d_in)
    check_shapes(weights, shapes, file)
    if "scaling_factor" in weights and (weights["scaling_factor"] == 1).all():
        weights.pop("scaling_factor")
    names = {"W_enc": "W_E", "b_enc": "b_E", "W_dec": "W_D", "b_dec": "b_D"}
    if config.skip_connection:
        names["affine_skip_connection"] = "W_skip"
    return {names.get(name, name): value for name, value in weights.items()}


GEMMA_SCOPE = GemmaScope()
