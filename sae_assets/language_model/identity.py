"""What of a language model decides its activations, for the fingerprint of an activation source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sae_assets.disk.identity import file_identity
from sae_assets.language_model.tokenizer import model_location
from sae_assets.settings.model import LanguageModelConfig

PATTERNS = ("config.json", "*.safetensors", "*.bin", "tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json")


def model_identity(cfg: LanguageModelConfig) -> dict[str, Any]:
    """Weights, tokenizer, precision and special tokens of a model; for a local folder by contents, else by hub name."""
    special = {"bos": cfg.bos_token_id, "eos": cfg.eos_token_id, "pad": cfg.pad_token_id}
    folder = Path(model_location(cfg))
    weights: Any = model_location(cfg)
    if folder.is_dir():
        files = sorted({path for pattern in PATTERNS for path in folder.glob(pattern)})
        weights = [file_identity(path) for path in files]
    return {"weights": weights, "dtype": cfg.dtype, "special_tokens": special}
