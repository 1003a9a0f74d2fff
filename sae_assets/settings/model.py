"""Settings of the language model, and what every settings group that places tensors shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from sae_assets.settings.base import Settings
from sae_assets.settings.errors import nearest

if TYPE_CHECKING:
    import torch

DTYPES = {
    "torch.float32": ("float32", "fp32", "float"),
    "torch.float16": ("float16", "fp16", "half"),
    "torch.bfloat16": ("bfloat16", "bf16"),
}
"""The floating types that activations and weights may have, each with its other spellings."""


def _dtype_name(value: Any) -> Any:
    if value is None:
        return value
    name = str(value)
    for known, aliases in DTYPES.items():
        if name == known or name in aliases:
            return known
    raise ValueError(f"Unknown dtype {name!r}; the nearest is {nearest(name, DTYPES)!r}")


Dtype = Annotated[str, BeforeValidator(_dtype_name)]
"""A dtype by its name ("torch.bfloat16", "bfloat16", "bf16") or as a `torch.dtype`; kept as "torch.bfloat16"."""


def torch_dtype(name: str) -> torch.dtype:
    """The `torch.dtype` of a `Dtype`."""
    import torch

    return getattr(torch, name.removeprefix("torch."))


class BaseModelConfig(Settings):
    """Where tensors live and in which precision."""

    device: str = "cpu"
    """Device of the weights: "cpu", "cuda", "cuda:1" or "mps"."""
    dtype: Dtype = "torch.float32"
    """Precision of the weights: "torch.float32", "torch.float16" or "torch.bfloat16"."""

    @property
    def torch_dtype(self) -> torch.dtype:
        """`dtype` as torch knows it."""
        return torch_dtype(self.dtype)


class LanguageModelConfig(BaseModelConfig):
    """The language model whose activations the sparse autoencoder reads."""

    model_name: str = "gpt2"
    """Name on the Hugging Face hub, or a local folder."""
    model_from_pretrained_path: str | None = None
    """Local folder with the weights; where set, `model_name` is only a name."""
    cache_dir: str | None = None
    """Folder for downloaded weights; the Hugging Face default where not set."""
    local_files_only: bool = False
    """Never download; use what the cache holds."""
    max_length: int = Field(default=2048, ge=1)
    """Longest context, in tokens, that is given to the model."""
    backend: Literal["huggingface", "transformer_lens", "tokenizer_only", "auto"] = "auto"
    """What runs the model: "auto" and "transformer_lens" are the same here, "tokenizer_only" loads no weights."""
    prepend_bos: bool = True
    """Put the beginning-of-sequence token before each context."""
    bos_token_id: int | None = None
    """Token id to use for beginning-of-sequence; the tokenizer's own where not set."""
    eos_token_id: int | None = None
    """Token id to use for end-of-sequence; the tokenizer's own where not set."""
    pad_token_id: int | None = None
    """Token id to use for padding; the tokenizer's own where not set."""
