"""A small real project in a folder: a language model, text, a checkpoint with its settings, and a data folder."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from upath import UPath

from sae_assets.dictionary.checkpoint import save_checkpoint
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.disk.layout import DataFolder
from sae_assets.settings import AnalysisSettings, AnalyzeSAESettings, AutoInterpSettings, DirectLogitAttributeSettings
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets.store.connection import Store, connect
from sae_assets.store.server import running_server, stop_server
from sae_assets_tests.language_model.tiny_model import SENTENCES

SERIES, NAME = "tiny", "sae-l0"
SAE_ID = f"{SERIES}/{NAME}"
HOOK_POINT = "blocks.0.hook_resid_post"
D_MODEL, D_SAE, TOP_K = 32, 64, 8
DEAD = 63
"""The feature that never activates."""
N_TOKENS = 5000
"""Tokens that the settings ask for; the text holds more."""
MODEL_NAME = "tiny-model"
"""Name of the language model in the store."""
OF_THE_MACHINE = ("OPENAI_", "MONGO_", "HF_", "SAE_ASSETS_", "DAGSTER_")
"""Environment variables that begin so never reach a test's processes."""


@dataclass(frozen=True)
class TinyProject:
    """Where the parts of a project lie, and the settings that run on them."""

    root: Path
    """Its own folder: checkpoints and data."""
    model: Path
    """Folder of the language model; never written to."""
    text: Path
    """The documents, as JSONL; never written to."""

    @property
    def checkpoints(self) -> Path:
        """The checkpoint root."""
        return self.root / "checkpoints"

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's folder."""
        return self.checkpoints / SERIES / NAME

    @property
    def data(self) -> DataFolder:
        """The data folder."""
        return DataFolder(UPath(self.root / "data"))

    @property
    def settings(self) -> AnalysisSettings:
        """What the `analysis.toml` of the series says about the checkpoint."""
        return checkpoint_settings(self.checkpoint, {}, CheckpointFacts(hook_point=HOOK_POINT), self.root)

    def analyze_settings(self, **changes: Any) -> AnalyzeSAESettings:
        """Settings of `analyze_sae`; a table among the changes is merged into the one that is there."""
        settings = self.settings.for_analysis(self.checkpoint, SERIES, NAME)
        return AnalyzeSAESettings.model_validate(_changed(settings.model_dump(), changes))

    def logits_settings(self, **changes: Any) -> DirectLogitAttributeSettings:
        """Settings of `direct_logit_attribute`, changed likewise."""
        settings = self.settings.for_logits(self.checkpoint, SERIES, NAME)
        return DirectLogitAttributeSettings.model_validate(_changed(settings.model_dump(), changes))

    def interpret_settings(self, base_url: str | None, **changes: Any) -> AutoInterpSettings:
        """Settings of `auto_interp` that ask the endpoint at this URL, changed likewise."""
        settings = self.settings.for_interpretation(SERIES, NAME).model_dump()
        values = _changed(settings, {"auto_interp": {"openai_base_url": base_url}})
        return AutoInterpSettings.model_validate(_changed(values, changes))

    def environment(self) -> dict[str, str]:
        """The environment of a process that works in this project and knows nothing else of the machine."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OF_THE_MACHINE)}
        return inherited | {
            "SAE_ASSETS_DATA": str(self.data.root),
            "SAE_ASSETS_CHECKPOINTS": str(self.checkpoints),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def store(self) -> Store:
        """The store on the bundled server of the data folder."""
        return connect(None, self.data)

    @contextmanager
    def served(self) -> Iterator[TinyProject]:
        """Keeps the bundled server running meanwhile and stops it at the end."""
        with running_server(self.data.mongo, grace_s=1):
            yield self
        stop_server(self.data.mongo)

    def copy(self, root: Path) -> TinyProject:
        """The same checkpoints and settings in another folder, with no data."""
        shutil.copytree(self.checkpoints, root / "checkpoints")
        return TinyProject(root, self.model, self.text)


def write_project(root: Path, model: Path) -> TinyProject:
    """Makes a project on this language model, of d_model 32."""
    project = TinyProject(root, model, root / "text.jsonl")
    write_text(project.text)
    write_sae(project.checkpoint)
    lines = [
        f"model_name = {json.dumps(MODEL_NAME)}",
        "[model]",
        f"model_name = {json.dumps(str(model))}",
        "[datasets.text]",
        f"dataset_name_or_path = {json.dumps(str(project.text))}",
        "[activation_factory]",
        "context_size = 64",
        "[[activation_factory.sources]]",
        'name = "text"',
        'type = "dataset"',
        "[analyzer]",
        f"total_analyzing_tokens = {N_TOKENS}",
        "[analyzer.subsamples]",
        "top_activations = { proportion = 1.0, n_samples = 6 }",
        "middle = { proportion = 0.6, n_samples = 4 }",
        "non_activating = { proportion = 0.3, n_samples = 6, max_length = 20 }",
    ]
    (project.checkpoint.parent / "analysis.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return project


def write_text(path: Path, n_documents: int = 90) -> Path:
    """Writes documents in several scripts, some 5,500 tokens in 90 of them, and returns the file."""
    words = [*" ".join(SENTENCES).split(), "日本語", "特征", "👩‍🚀", "naïve", "🙂🙂", "\n"]
    rng = random.Random(0)
    documents = [" ".join(rng.choices(words, k=30)) for _ in range(n_documents)]
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in documents]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_sae(folder: Path, *, d_model: int = D_MODEL, hook_point: str = HOOK_POINT, seed: int = 0) -> Path:
    """Writes a TopK autoencoder of 64 random features, one of them dead, and returns the folder."""
    config = SAEConfig(
        d_model=d_model,
        expansion_factor=D_SAE / d_model,
        hook_point_in=hook_point,
        hook_point_out=hook_point,
        act_fn="topk",
        top_k=TOP_K,
        norm_activation="inference",
    )
    sae = SparseAutoEncoder(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in (sae.W_E, sae.W_D):
            weights.copy_(torch.randn(weights.shape, generator=generator))
        sae.W_E[:, DEAD] = 0
        sae.b_E[DEAD] = -1
    save_checkpoint(sae, folder)
    return folder


def _changed(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {
        name: values[name] | change
        for name, change in changes.items()
        if isinstance(change, dict) and isinstance(values.get(name), dict)
    }
    return values | changes | merged
