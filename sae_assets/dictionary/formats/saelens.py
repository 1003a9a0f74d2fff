"""The format of SAELens: `cfg.json` and `sae_weights.safetensors`, of its versions from 3 on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated_config
from sae_assets.dictionary.formats.equivalents import bias_without_subtraction, gated_as_jumprelu, unit_decoder
from sae_assets.dictionary.formats.files import check_shapes, peek_json, read_tensors
from sae_assets.dictionary.formats.saelens_config import CONFIG_FILE, SAELensConfig, read_saelens_config

ACTIVATION_FUNCTIONS = {
    "standard": "relu",
    "gated": "jumprelu",
    "jumprelu": "jumprelu",
    "topk": "topk",
    "batchtopk": "jumprelu",
    "matryoshka_batchtopk": "jumprelu",
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}
"""What each architecture does after its encoder; a gated one is a jumprelu, batchtopk ones have learnt a threshold."""
NORMS = {
    "none": "inference",
    "expected_average_only_in": "inference",
    "constant_norm_rescale": "token-wise",
    "layer_norm": "layer-norm",
}


@dataclass(frozen=True)
class SAELens:
    """What sae-lens saves. Its biases, scales and gates are folded into the weights, so that features are the same."""

    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Fields that a release puts in place of those in `cfg.json`."""
    name: ClassVar[str] = "SAELens"
    config_name: ClassVar[str] = CONFIG_FILE
    weight_names: ClassVar[tuple[str, ...]] = ("sae_weights.safetensors",)

    def fits(self, folder: Path) -> bool:
        """Whether there is a `cfg.json` that says how many features there are, or one beside SAELens' weights."""
        path = folder / self.config_name
        return "d_sae" in peek_json(path) or (path.is_file() and (folder / self.weight_names[0]).is_file())

    def config(self, folder: Path) -> SAEConfig:
        """What `cfg.json` says; raises a UserError also for what is not read, such as a single attention head."""
        config = read_saelens_config(folder, self.overrides)
        metadata = config.metadata
        values = {
            "d_model": config.d_in,
            "expansion_factor": config.d_sae / config.d_in,
            "hook_point_in": metadata.hook_name,
            "hook_point_out": metadata.hook_name_out if config.is_transcoder else metadata.hook_name,
            "model_name": metadata.model_name,
            "act_fn": ACTIVATION_FUNCTIONS[config.architecture],
            "norm_activation": NORMS[config.normalize_activations],
            "denormalize_output": not config.is_transcoder,
            "sparsity_include_decoder_norm": False,
            "top_k": round(config.k),
            "skip_connection": config.has_skip,
        }
        return validated_config(values, folder / self.config_name)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:
        """The weights, with everything that SAELens computes beside the two products folded in."""
        options = read_saelens_config(folder, self.overrides)
        given = read_tensors(file)
        if "log_threshold" in given:  # of a jumprelu in training, before version 6
            given["threshold"] = given.pop("log_threshold").exp()
        check_shapes(given, _shapes(options), file)
        _fold_scale(given, options)
        weights = _encoder(given, options)
        weights |= {"W_D": given.pop("W_dec"), "b_D": given.pop("b_dec")}
        if options.apply_b_dec_to_input and not options.is_transcoder:
            weights["b_E"] = bias_without_subtraction(weights["W_E"], weights["b_E"], weights["b_D"])
        if options.has_unit_decoder:
            weights |= unit_decoder(weights["W_E"], weights["b_E"], weights["W_D"])._asdict()
        if config.skip_connection:
            weights["W_skip"] = given.pop("W_skip").T.contiguous()
        if options.is_centred:
            # The same as to encode x - mean(x), which is what such a model would have had in the place of x.
            weights["W_E"] = weights["W_E"] - weights["W_E"].mean(dim=0)
        return weights | given


def _shapes(options: SAELensConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights that an architecture has."""
    d_in, d_sae = options.d_in, options.d_sae
    shapes: dict[str, tuple[int, ...]] = {"W_enc": (d_in, d_sae), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    match options.architecture:
        case "gated":
            names = ["b_gate", "b_mag", "r_mag"]
        case "batchtopk" | "matryoshka_batchtopk":
            names, shapes["topk_threshold"] = ["b_enc"], ()
        case "jumprelu" | "jumprelu_transcoder" | "jumprelu_skip_transcoder":
            names = ["b_enc", "threshold"]
        case _:
            names = ["b_enc"]
    if options.has_skip:
        shapes["W_skip"] = (d_in, d_in)
    if options.finetuning_scaling_factor:
        names.append("scaling_factor")
    return shapes | dict.fromkeys(names, (d_sae,))


def _fold_scale(given: dict[str, Tensor], options: SAELensConfig) -> None:
    """Folds the factors that activations and features are multiplied by, as SAELens does; in place."""
    scale = options.norm_scaling_factor
    if options.normalize_activations == "expected_average_only_in" and scale is not None:
        given["W_enc"] = given["W_enc"] * scale
        given["W_dec"] = given["W_dec"] / scale
        given["b_dec"] = given["b_dec"] / scale
        if "topk_threshold" in given and options.has_unit_decoder:
            given["topk_threshold"] = given["topk_threshold"] / scale
    if options.finetuning_scaling_factor:
        given["W_dec"] = given["W_dec"] * given.pop("scaling_factor")[:, None]
    elif "scaling_factor" in given and (given["scaling_factor"] == 1).all():
        given.pop("scaling_factor")


def _encoder(given: dict[str, Tensor], options: SAELensConfig) -> dict[str, Tensor]:
    """The encoder's weights by the names of `SparseAutoEncoder`, taken out of those given."""
    weight = given.pop("W_enc")
    if options.architecture == "gated":
        encoder = gated_as_jumprelu(weight, *(given.pop(name) for name in ("b_gate", "b_mag", "r_mag")))
        return {"W_E": encoder.weight, "b_E": encoder.bias, "threshold": encoder.threshold}
    found = {"W_E": weight, "b_E": given.pop("b_enc")}
    if "topk_threshold" in given:
        found["threshold"] = given.pop("topk_threshold").expand(options.d_sae).clone()
    elif ACTIVATION_FUNCTIONS[options.architecture] == "jumprelu":
        found["threshold"] = given.pop("threshold")
    return found


SAELENS = SAELens()
