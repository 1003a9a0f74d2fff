"""What a checkpoint says about itself in its `config.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sae_assets.settings.errors import UserError

SAE_TYPES = ("sae",)
"""The kinds of dictionary that are read."""


class SAEConfig(BaseModel):
    """The architecture of a sparse autoencoder or transcoder, in the fields of the lm-saes format.

    Fields that other versions of that system write and that change nothing here are ignored.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    sae_type: str = "sae"
    """Kind of dictionary; only "sae", which includes transcoders."""
    d_model: int = Field(ge=1)
    """Width of the activations."""
    expansion_factor: float = Field(gt=0)
    """d_sae / d_model."""
    hook_point_in: str
    """Point of the model whose activations are encoded."""
    hook_point_out: str
    """Point of the model whose activations are reconstructed; another than `hook_point_in` for a transcoder."""
    use_decoder_bias: bool = True
    """Whether a bias is added to the reconstruction."""
    act_fn: Literal["relu", "jumprelu", "topk", "batchtopk"] = "relu"
    """Activation function."""
    norm_activation: Literal["token-wise", "batch-wise", "dataset-wise", "inference"] = "dataset-wise"
    """How activations are scaled to the norm sqrt(d_model) before they are encoded; "inference": not at all."""
    sparsity_include_decoder_norm: bool = True
    """Whether the activation function sees features times the norm of their decoder."""
    top_k: int = Field(default=50, ge=1)
    """Active features a token, for topk and (on average) batchtopk."""
    use_glu_encoder: bool = False
    """Whether the encoder's output is gated by a sigmoid of a second map."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return round(self.d_model * self.expansion_factor)


def read_config(path: Path) -> SAEConfig:
    """The config of a checkpoint, from its `config.json`.

    Raises:
        UserError: the file is missing, does not parse, or describes a kind of dictionary that is not read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"The checkpoint {str(path.parent)!r} is incomplete: it has no {path.name}.") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The checkpoint's {str(path)!r} is damaged: it is not valid JSON.") from error
    kind = values.get("sae_type", "sae") if isinstance(values, dict) else None
    if kind not in SAE_TYPES:
        raise UserError(f"The checkpoint {str(path.parent)!r} is of type {kind!r}; the types read are {SAE_TYPES}.")
    try:
        return SAEConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UserError(f"The checkpoint's {str(path)!r} is not usable: {field!r}: {first['msg']}.") from None
