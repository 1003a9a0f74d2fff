"""What a dictionary_learning folder says about itself in its `config.json`, and how each class stores its weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from sae_assets.dictionary.config import validated
from sae_assets.dictionary.formats.files import read_json
from sae_assets.settings.errors import UserError


class DictClass(NamedTuple):
    """How one of its classes stores what it computes with."""

    act_fn: Literal["relu", "jumprelu", "topk", "batchtopk"]
    """Its activation function."""
    encoder_bias: str = "encoder.bias"
    """Name of the encoder's bias."""
    decoder_bias: str = "b_dec"
    """Name of the decoder's bias."""
    is_linear: bool = True
    """Whether the two maps are `nn.Linear`s, (out, in), and not `W_enc` and `W_dec`, (in, out)."""
    is_subtracted: bool = True
    """Whether the decoder's bias is taken off the activations before they are encoded."""
    is_gated: bool = False
    """Whether a gate beside the encoder, which shares its weights, lets features through."""
    is_normalized: bool = False
    """Whether `load_dictionary` brings the decoder to unit norm, and multiplies features by that norm."""


MATRYOSHKA = DictClass("batchtopk", "b_enc", is_linear=False)
DICT_CLASSES = {
    "AutoEncoder": DictClass("relu", decoder_bias="bias", is_normalized=True),
    "AutoEncoderNew": DictClass("relu", decoder_bias="decoder.bias", is_subtracted=False),
    "GatedAutoEncoder": DictClass("jumprelu", "mag_bias", "decoder_bias", is_gated=True),
    "JumpReluAutoEncoder": DictClass("jumprelu", "b_enc", is_linear=False, is_subtracted=False),
    "AutoEncoderTopK": DictClass("topk"),
    "BatchTopKSAE": DictClass("batchtopk"),
    "MatryoshkaBatchTopKSAE": MATRYOSHKA,
    "MatroyshkaBatchTopKSAE": MATRYOSHKA,  # its name at first
}
"""The classes that are read."""


class Trainer(BaseModel):
    """The fields of `trainer` in a `config.json` that say what was trained, and on what."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    dict_class: str
    """Name of the dictionary's class."""
    activation_dim: int = Field(ge=1)
    """Width of the activations."""
    dict_size: int = Field(ge=1)
    """Number of features."""
    k: int | None = Field(default=None, ge=1)
    """Active features a token, where the class has it."""
    lm_name: str | None = None
    """The language model."""
    submodule_name: str | None = None
    """What the one who trained called the place in the model; often `resid_post_layer_8`."""


class Buffer(BaseModel):
    """What is recorded of the activations."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    io: Literal["in", "out"] = "out"
    """Whether they are what goes into the submodule or what comes out of it; a transcoder's are both, not read."""


class DictionaryLearningConfig(BaseModel):
    """A `config.json`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    trainer: Trainer
    buffer: Buffer = Field(default_factory=Buffer)

    @property
    def dict_class(self) -> DictClass:
        """How its class stores what it computes with."""
        return DICT_CLASSES[self.trainer.dict_class]

    @property
    def hook_point(self) -> str | None:
        """The point of the model, where the name that was given to it leaves no doubt."""
        found = re.fullmatch(r"resid_(?:post|out)_layer_?(\d+)", self.trainer.submodule_name or "")
        return f"blocks.{found[1]}.hook_resid_post" if found and self.buffer.io == "out" else None


def read_dictionary_learning_config(path: Path) -> DictionaryLearningConfig:
    """The config in a file.

    Raises:
        UserError: it is missing, does not parse, or describes a class that is not read.
    """
    recorded = validated(DictionaryLearningConfig, read_json(path), path)
    name = recorded.trainer.dict_class
    if name not in DICT_CLASSES:
        raise UserError(
            f"The checkpoint's {str(path)!r} is of the class {name!r}; these are read: {', '.join(DICT_CLASSES)}."
        )
    if recorded.trainer.k is None and recorded.dict_class.act_fn in ("topk", "batchtopk"):
        raise UserError(f"The checkpoint's {str(path)!r} is not usable: 'trainer.k' is missing.")
    return recorded
