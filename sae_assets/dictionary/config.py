"""What a checkpoint says about itself, whatever its format: options of the one architecture that is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sae_assets.settings.errors import UserError

Recorded = TypeVar("Recorded", bound=BaseModel)


class SAEConfig(BaseModel):
    """The architecture of a sparse autoencoder or transcoder, in the fields of the lm-saes format.

    What other formats do otherwise is turned into these options when their weights are read; fields that other versions
    of lm-saes write and that change nothing here are ignored.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    sae_type: str = "sae"
    """Kind of dictionary; only "sae", which includes transcoders."""
    d_model: int = Field(ge=1)
    """Width of the activations."""
    expansion_factor: float = Field(gt=0)
    """d_sae / d_model."""
    hook_point_in: str | None = None
    """Point of the model whose activations are encoded; None where the checkpoint does not record it."""
    hook_point_out: str | None = None
    """Point of the model whose activations are reconstructed; another than `hook_point_in` for a transcoder, None where
    the checkpoint does not record it."""
    model_name: str | None = None
    """Language model that it was trained on; None where the checkpoint does not record it."""
    use_decoder_bias: bool = True
    """Whether a bias is added to the reconstruction."""
    act_fn: Literal["relu", "jumprelu", "topk", "batchtopk"] = "relu"
    """Activation function; "jumprelu" has one threshold a feature."""
    norm_activation: Literal["token-wise", "batch-wise", "dataset-wise", "layer-norm", "inference"] = "dataset-wise"
    """How activations are scaled before they are encoded: to the norm sqrt(d_model), by "layer-norm" to the mean 0 and
    the standard deviation 1, by "inference" not at all."""
    denormalize_output: bool = True
    """Whether the reconstruction is scaled back where the input is scaled token by token; false for the transcoders of
    SAELens."""
    sparsity_include_decoder_norm: bool = True
    """Whether the activation function sees features times the norm of their decoder."""
    top_k: int = Field(default=50, ge=1)
    """Active features a token, for topk and (on average) batchtopk."""
    use_glu_encoder: bool = False
    """Whether the encoder's output is gated by a sigmoid of a second map."""
    skip_connection: bool = False
    """Whether a linear map of the raw activations is added to the reconstruction."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return round(self.d_model * self.expansion_factor)


def validated(kind: type[Recorded], values: dict[str, Any], source: Path) -> Recorded:
    """What a checkpoint records, out of values that were read from the file `source`.

    Raises:
        UserError: a field is missing or has a value that is not usable; it names file and field.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UserError(f"The checkpoint's {str(source)!r} is not usable: {field!r}: {first['msg']}.") from None


def validated_config(values: dict[str, Any], source: Path) -> SAEConfig:
    """The config out of values that were read from the file `source`; raises as `validated` does."""
    return validated(SAEConfig, values, source)
