"""The format of dictionary_learning (Marks, Karvonen, Mueller): `config.json` and `ae.pt`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated_config
from sae_assets.dictionary.formats.dictionary_learning_config import (
    DictClass,
    DictionaryLearningConfig,
    read_dictionary_learning_config,
)
from sae_assets.dictionary.formats.equivalents import bias_without_subtraction, gated_as_jumprelu, unit_decoder
from sae_assets.dictionary.formats.files import check_shapes, peek_json, read_tensors
from sae_assets.settings.errors import UserError

BUFFERS = ("k", "threshold", "group_sizes")
"""Tensors beside the weights: those of a class whose activation function has no use for them are left out."""


class DictionaryLearning:
    """What dictionary_learning saves, read as its `load_dictionary` does."""

    name: ClassVar[str] = "dictionary_learning"
    config_name: ClassVar[str] = "config.json"
    weight_names: ClassVar[tuple[str, ...]] = ("ae.pt",)

    def fits(self, folder: Path) -> bool:
        """Whether there are such weights, or a config with a trainer."""
        trainer = peek_json(folder / self.config_name).get("trainer")
        return (folder / self.weight_names[0]).is_file() or (isinstance(trainer, dict) and "dict_class" in trainer)

    def config(self, folder: Path) -> SAEConfig:
        """What `config.json` says; of a BatchTopK, the weights say whether it has learnt its threshold."""
        path = folder / self.config_name
        recorded = read_dictionary_learning_config(path)
        trainer, hook_point, act_fn = recorded.trainer, recorded.hook_point, recorded.dict_class.act_fn
        if act_fn == "batchtopk" and _has_threshold(folder / self.weight_names[0]):
            act_fn = "jumprelu"
        values = {
            "d_model": trainer.activation_dim,
            "expansion_factor": trainer.dict_size / trainer.activation_dim,
            "hook_point_in": hook_point,
            "hook_point_out": hook_point,
            "model_name": trainer.lm_name,
            "act_fn": act_fn,
            "norm_activation": "inference",
            "sparsity_include_decoder_norm": False,
        }
        return validated_config(values if trainer.k is None else values | {"top_k": trainer.k}, path)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:
        """The weights, with subtracted biases, gates and the decoder's norms folded in."""
        recorded = read_dictionary_learning_config(folder / self.config_name)
        layout = recorded.dict_class
        given = read_tensors(file)
        check_shapes(given, _shapes(layout, config), file)
        buffers = {name: given.pop(name) for name in BUFFERS if name in given}
        _check_buffers(buffers, recorded, config, file)
        if layout.is_linear:
            maps = [given.pop(f"{part}.weight").T.contiguous() for part in ("encoder", "decoder")]
        else:
            maps = [given.pop("W_enc"), given.pop("W_dec")]
        weights = dict(zip(("W_E", "W_D"), maps, strict=True))
        weights |= {"b_E": given.pop(layout.encoder_bias), "b_D": given.pop(layout.decoder_bias)}
        if layout.is_gated:
            gated = gated_as_jumprelu(weights["W_E"], given.pop("gate_bias"), weights["b_E"], given.pop("r_mag"))
            weights |= {"W_E": gated.weight, "threshold": gated.threshold}
        elif config.act_fn == "jumprelu":
            weights["threshold"] = buffers["threshold"].expand(config.d_sae).clone()
        if layout.is_subtracted:
            weights["b_E"] = bias_without_subtraction(weights["W_E"], weights["b_E"], weights["b_D"])
        if layout.is_normalized:
            weights |= unit_decoder(weights["W_E"], weights["b_E"], weights["W_D"])._asdict()
        return weights | given


def _has_threshold(file: Path) -> bool:
    """Whether a threshold was learnt; it is -1 until then. True for what cannot be read, which is told by `weights`."""
    try:
        return bool(torch.load(file, map_location="cpu", weights_only=True, mmap=True).get("threshold", -1) >= 0)
    except Exception:  # whatever is wrong with the file, reading it whole says it in a sentence
        return True


def _check_buffers(
    buffers: dict[str, Tensor], recorded: DictionaryLearningConfig, config: SAEConfig, file: Path
) -> None:
    k = recorded.trainer.k
    if k is not None and "k" in buffers and buffers["k"] != k:
        raise UserError(
            f"The weights {str(file)!r} are of another checkpoint than their config.json: they have k = "
            f"{int(buffers['k'])}, it has {k}."
        )
    is_learnt = config.act_fn == "jumprelu" and recorded.dict_class.act_fn == "batchtopk"
    if is_learnt and buffers["threshold"] < 0:
        raise UserError(f"The weights {str(file)!r} were saved before their threshold was learnt; take later ones.")


def _shapes(layout: DictClass, config: SAEConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that a class computes with."""
    d_in, d_sae = config.d_model, config.d_sae
    maps = ("encoder.weight", "decoder.weight") if layout.is_linear else ("W_dec", "W_enc")
    shapes: dict[str, tuple[int, ...]] = {maps[0]: (d_sae, d_in), maps[1]: (d_in, d_sae)}
    shapes |= {layout.encoder_bias: (d_sae,), layout.decoder_bias: (d_in,)}
    if layout.is_gated:
        return shapes | {"gate_bias": (d_sae,), "r_mag": (d_sae,)}
    if config.act_fn == "jumprelu":
        shapes["threshold"] = () if layout.act_fn == "batchtopk" else (d_sae,)
    return shapes


DICTIONARY_LEARNING = DictionaryLearning()
