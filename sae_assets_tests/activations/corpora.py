"""Small datasets and the settings that read them."""

import json
from pathlib import Path
from typing import Any

from upath import UPath

from sae_assets.activations.cached_source import CachedSource
from sae_assets.activations.source import ActivationSource
from sae_assets.disk.layout import DataFolder
from sae_assets.settings import (
    ActivationFactoryConfig,
    ActivationFactoryDatasetSource,
    DatasetConfig,
    LanguageModelConfig,
)

HOOK_POINT = "blocks.0.hook_resid_post"
CONTEXT_SIZE = 16
D_MODEL = 32
TEXTS = [f"The quick brown fox number {i} jumps over {i * i} lazy dogs. 日本語 👩‍🚀 {'na ' * i}" for i in range(24)]
"""Documents of 50 to 150 tokens."""


def write_jsonl(path: Path, texts: list[str] = TEXTS) -> DatasetConfig:
    """Writes documents to a file and gives the settings that read it."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return DatasetConfig(dataset_name_or_path=str(path))


def rows(texts: list[str]) -> list[dict[str, Any]]:
    """Documents as the rows of a dataset object."""
    return [{"text": text} for text in texts]


def factory_cfg(*names: str, **changes: Any) -> ActivationFactoryConfig:
    """Settings of a factory with these dataset sources, "web" alone where none is named."""
    sources = [ActivationFactoryDatasetSource(name=name) for name in names or ("web",)]
    values = {"sources": sources, "hook_points": [HOOK_POINT], "context_size": CONTEXT_SIZE, "model_batch_size": 4}
    return ActivationFactoryConfig(**(values | changes))


def cached_source(
    folder: Path, model: LanguageModelConfig, token_budget: int = 600, texts: list[str] = TEXTS, **changes: Any
) -> CachedSource:
    """An activation source on the documents, its data folder inside `folder`."""
    folder.mkdir(exist_ok=True)
    datasets = {"web": write_jsonl(folder / "web.jsonl", texts)}
    source = ActivationSource(model, factory_cfg(**changes), datasets, token_budget)
    return CachedSource(source, DataFolder(UPath(folder / "data")))
