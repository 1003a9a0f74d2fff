"""What a SAELens folder says about itself in its `cfg.json`, in any layout of that package from version 3 on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sae_assets.dictionary.config import validated
from sae_assets.dictionary.formats.files import read_json
from sae_assets.settings.errors import UserError

CONFIG_FILE = "cfg.json"
SCALER_FILE = "activation_scaler.json"
"""Beside it while training goes on: what activations are multiplied by, which the last step folds into the weights."""
BEFORE_VERSION_6 = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}
"""Names of older layouts and those that replaced them."""
WRITE_TO_RESIDUAL = ("hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_attn_out", "hook_mlp_out")
"""Ends of hook points whose activations a model with centred writing weights has at mean 0."""


class SAELensMetadata(BaseModel):
    """The activations that a SAELens checkpoint was trained on."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    hook_name: str | None = None
    """Point of the model whose activations are encoded."""
    hook_name_out: str | None = None
    """Point of the model whose activations a transcoder reconstructs."""
    hook_head_index: int | None = None
    """The one attention head that is encoded."""
    model_name: str | None = None
    """TransformerLens' name of the model."""
    model_from_pretrained_kwargs: dict[str, Any] | None = None
    """How TransformerLens is to process the model's weights."""


class SAELensConfig(BaseModel):
    """The fields of a `cfg.json` that decide what a checkpoint computes, at the defaults of sae-lens 6."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    architecture: Literal[
        "standard",
        "gated",
        "jumprelu",
        "topk",
        "batchtopk",
        "matryoshka_batchtopk",
        "transcoder",
        "skip_transcoder",
        "jumprelu_transcoder",
        "jumprelu_skip_transcoder",
    ] = "standard"
    """Kind of dictionary; the two batchtopk ones are saved so only while they are trained, at the end as jumprelu."""
    activation_fn: Literal["relu", "topk"] = "relu"
    """Activation function of older layouts; "topk" is an architecture since version 6."""
    d_in: int = Field(ge=1)
    """Width of the activations that are encoded; all heads together where they are reshaped from `hook_z`."""
    d_sae: int = Field(ge=1)
    """Number of features."""
    d_out: int | None = None
    """Width of the activations that a transcoder reconstructs."""
    apply_b_dec_to_input: bool = True
    """Whether the decoder's bias is taken from the (normalised) activations before they are encoded."""
    normalize_activations: Literal["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"] = "none"
    """How activations are normalised before they are encoded."""
    norm_scaling_factor: float | None = Field(default=None, gt=0)
    """What activations are multiplied by for "expected_average_only_in", where it is not folded into the weights."""
    k: float = Field(default=100, gt=0)
    """Active features a token, for topk."""
    rescale_acts_by_decoder_norm: bool = False
    """Whether features are times the norm of their decoder, which then counts as 1."""
    finetuning_scaling_factor: bool = False
    """Whether the decoder takes features times the `scaling_factor` among the weights (before version 6)."""
    metadata: SAELensMetadata = Field(default_factory=SAELensMetadata)
    """The activations that it was trained on."""

    @property
    def is_transcoder(self) -> bool:
        """Whether other activations are reconstructed than are encoded."""
        return self.architecture.endswith("transcoder")

    @property
    def has_skip(self) -> bool:
        """Whether a linear map of the activations is added to what a transcoder reconstructs."""
        return self.architecture.endswith("skip_transcoder")

    @property
    def has_unit_decoder(self) -> bool:
        """Whether features are times the norm of their decoder, which then counts as 1."""
        return self.rescale_acts_by_decoder_norm and self.architecture.endswith("topk")

    @property
    def is_centred(self) -> bool:
        """Whether it was trained on a model whose writing weights were centred, at a point where that shows."""
        is_asked_for = (self.metadata.model_from_pretrained_kwargs or {}).get("center_writing_weights") is True
        return is_asked_for and (self.metadata.hook_name or "").endswith(WRITE_TO_RESIDUAL)

    @model_validator(mode="before")
    @classmethod
    def _from_older_layouts(cls, values: Any) -> Any:
        """Version 6 from versions 3 to 5, as sae-lens' `handle_pre_6_0_config` does; metadata are new in 6."""
        if not isinstance(values, dict) or "metadata" in values:
            return values
        values = {BEFORE_VERSION_6.get(name, name): value for name, value in values.items() if value is not None}
        if isinstance(norm := values.get("normalize_activations"), bool):
            values["normalize_activations"] = "expected_average_only_in" if norm else "none"
        options = values.get("activation_fn_kwargs")
        if values.get("activation_fn") == "topk" and isinstance(options, dict) and "k" in options:
            values |= {"architecture": "topk", "k": options["k"]}
        return values | {"metadata": values}


def read_saelens_config(folder: Path, overrides: Mapping[str, Any]) -> SAELensConfig:
    """The config of a SAELens folder, with what a release puts in place of the file's fields.

    Raises:
        UserError: the file is missing, does not parse, or describes a kind of dictionary that is not read.
    """
    file = folder / CONFIG_FILE
    values = read_json(file) | dict(overrides)
    if isinstance(values.get("metadata"), dict):
        values["metadata"] = values["metadata"] | dict(overrides)
    if (folder / SCALER_FILE).is_file():
        values["norm_scaling_factor"] = read_json(folder / SCALER_FILE).get("scaling_factor")
    config = validated(SAELensConfig, values, file)
    _refuse_what_is_not_read(config, file)
    return config


def _refuse_what_is_not_read(config: SAELensConfig, file: Path) -> None:
    head = config.metadata.hook_head_index
    if head is not None:
        raise UserError(f"The checkpoint's {str(file)!r} encodes head {head} alone; only all heads together are read.")
    if config.d_out not in (None, config.d_in):
        raise UserError(
            f"The checkpoint's {str(file)!r} encodes {config.d_in} dimensions and reconstructs {config.d_out}; only "
            "transcoders between activations of one width are read."
        )
    if config.is_centred and config.normalize_activations == "constant_norm_rescale":
        raise UserError(
            f"The checkpoint's {str(file)!r} scales activations of a model with centred writing weights to one norm, "
            "which is not read."
        )
