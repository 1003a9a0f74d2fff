"""Further checkpoints of the small project, made out of its first one, and their analysis."""

import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from sae_assets.engine.progress import silent
from sae_assets.runners.analyze import analyze_saes
from sae_assets.settings import AnalyzeSAESettings
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets_tests.project import D_MODEL, D_SAE, DEAD, HOOK_POINT, NAME, SERIES, TinyProject

LATER = "sae-later"
FIRST = f"{SERIES}/{NAME}/default"
DIED, REPLACED, TURNED = [3, 20], [7, 8, 41], 11
PLACES = np.random.default_rng(0).permutation(D_SAE)
"""Which feature of the first lies at each place of the permuted one."""


def id_of(name: str) -> str:
    return f"{SERIES}/{name}/default"


def settings_of(project: TinyProject, name: str) -> AnalyzeSAESettings:
    folder = project.checkpoints / SERIES / name
    settings = checkpoint_settings(folder, {}, CheckpointFacts(hook_point=HOOK_POINT), project.root)
    return settings.for_analysis(folder, SERIES, name)


def write_like(folder: Path, original: Path, weights: dict[str, torch.Tensor]) -> None:
    folder.mkdir()
    shutil.copy(original / "config.json", folder)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "sae_weights.safetensors")


def write_permuted(folder: Path, original: Path) -> None:
    """The same features in another order, with decoders of another length."""
    weights = load_file(original / "sae_weights.safetensors")
    weights |= {"W_E": weights["W_E"][:, PLACES], "b_E": weights["b_E"][PLACES], "W_D": weights["W_D"][PLACES] * 3}
    write_like(folder, original, weights)


def write_later(folder: Path, original: Path) -> None:
    """As after more training: two features died, three became others, one turned, and the dead one lives."""
    weights = load_file(original / "sae_weights.safetensors")
    generator = torch.Generator().manual_seed(1)
    weights["W_E"][:, DIED], weights["b_E"][DIED] = 0, -1
    weights["W_E"][:, REPLACED] = torch.randn(D_MODEL, len(REPLACED), generator=generator)
    weights["W_D"][REPLACED] = torch.randn(len(REPLACED), D_MODEL, generator=generator)
    weights["W_D"][TURNED] += (
        1.3 * weights["W_D"][TURNED].norm() * normalize(torch.randn(D_MODEL, generator=generator), dim=0)
    )
    weights["W_E"][:, DEAD], weights["b_E"][DEAD] = torch.randn(D_MODEL, generator=generator), 1
    write_like(folder, original, weights)


def analyze(project: TinyProject, *names: str) -> None:
    analyze_saes([settings_of(project, name) for name in names], data=project.data, progress=silent)
