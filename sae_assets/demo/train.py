"""Trains the demo's sparse autoencoder: `python -m sae_assets.demo.train FOLDER`. The demo itself never trains.

A TopK autoencoder (Gao et al. 2024, "Scaling and evaluating sparse autoencoders") with their auxiliary loss for dead
features, on all speeches but the last twentieth, which the printed numbers are taken on.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from upath import UPath

from sae_assets.activations.cached_source import CachedSource
from sae_assets.activations.source import ActivationSource
from sae_assets.demo.corpus import prepare_corpus
from sae_assets.demo.model import prepare_model
from sae_assets.demo.settings import HOOK_POINT, demo_settings, model_folder, speeches_file
from sae_assets.dictionary.activation_functions import topk
from sae_assets.dictionary.checkpoint import save_checkpoint
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.disk.layout import DataFolder
from sae_assets.engine.progress import Step

D_MODEL, D_SAE, K = 576, 4096, 32
BATCH_TOKENS, EPOCHS = 4096, 10
LEARNING_RATE, WARM_UP_STEPS = 1e-3, 200
AUXILIARY_K, AUXILIARY_WEIGHT = 128, 1 / 32
DEAD_AFTER_TOKENS = 250_000
HELD_OUT_SHARE = 0.05


class TrainingData(NamedTuple):
    """Activations of single tokens, scaled to the mean norm sqrt(d_model)."""

    train: Float[Tensor, "token d_model"]
    """All but the last twentieth of the contexts."""
    held_out: Float[Tensor, "token d_model"]
    """The rest."""
    mean_norm: float
    """Mean norm before scaling."""


def main(folder: Path) -> None:
    """Trains and writes the checkpoint with `training.json`, the numbers of the held-out text."""
    torch.manual_seed(0)
    data = _activations()
    sae = _initial(data)
    _train(sae, data.train)
    sae.set_dataset_norms(data.mean_norm, data.mean_norm)
    save_checkpoint(sae, folder, torch.float16)
    numbers = _evaluate(sae, data.held_out)
    (folder / "training.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(numbers))


def _activations() -> TrainingData:
    prepare_model(model_folder(), _print)
    prepare_corpus(speeches_file())
    settings = demo_settings()
    assert settings.model is not None and settings.datasets is not None
    datasets = {name: dataset for name, dataset in settings.datasets.items() if dataset is not None}
    source = ActivationSource(settings.model, settings.activation_factory, datasets, token_budget=1 << 40)
    cached = CachedSource(source, DataFolder(UPath(".demo/training").absolute()))
    cached.make_contexts(_print)
    cached.make_chunks(HOOK_POINT, D_MODEL, progress=_print)
    parts = [batch.activations[batch.mask] for batch in cached.on_disk.batches(HOOK_POINT, 1024)]
    mean_norm = float(torch.cat([part.float().norm(dim=1) for part in parts]).mean())
    tokens = torch.cat(parts)
    n_train = int(len(tokens) * (1 - HELD_OUT_SHARE))
    tokens.mul_(math.sqrt(tokens.shape[1]) / mean_norm)
    return TrainingData(tokens[:n_train], tokens[n_train:], mean_norm)


def _initial(data: TrainingData) -> SparseAutoEncoder:
    """Random unit decoders, the encoder their transpose, biases that centre the activations."""
    config = SAEConfig(
        d_model=D_MODEL,
        expansion_factor=D_SAE / D_MODEL,
        hook_point_in=HOOK_POINT,
        hook_point_out=HOOK_POINT,
        act_fn="topk",
        top_k=K,
        norm_activation="dataset-wise",
        sparsity_include_decoder_norm=False,
    )
    sae = SparseAutoEncoder(config)
    mean = data.train[:: max(1, len(data.train) // 100_000)].float().mean(0)
    with torch.no_grad():
        sae.W_D.copy_(torch.nn.functional.normalize(torch.randn(D_SAE, D_MODEL), dim=1))
        sae.W_E.copy_(sae.W_D.T)
        sae.b_D.copy_(mean)
        sae.b_E.copy_(-mean @ sae.W_E)
    return sae


def _train(sae: SparseAutoEncoder, tokens: Float[Tensor, "token d_model"]) -> None:
    optimizer = torch.optim.Adam(sae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8, fused=True)
    n_steps = EPOCHS * (len(tokens) // BATCH_TOKENS)
    silent_tokens = torch.zeros(D_SAE, dtype=torch.int64)
    for step, batch in enumerate(_batches(tokens)):
        warm_up, decay = (step + 1) / WARM_UP_STEPS, 2 * (1 - step / n_steps)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1.0, warm_up, decay)
        loss = _loss(sae, batch, silent_tokens)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            sae.W_D.div_(sae.W_D.norm(dim=1, keepdim=True))
        if step % 50 == 0:
            n_dead = int((silent_tokens > DEAD_AFTER_TOKENS).sum())
            print(f"step {step} of {n_steps}: loss {loss.item():.4f}, {n_dead} dead", flush=True)


def _loss(sae: SparseAutoEncoder, x: Float[Tensor, "token d_model"], silent_tokens: Int64[Tensor, "feature"]) -> Tensor:
    """Unexplained share of the variance, with the auxiliary loss; counts for how many tokens features were silent."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = x @ sae.W_E + sae.b_E
        features = topk(hidden, K)
        error = (x - features @ sae.W_D - sae.b_D).float()
        silent_tokens += len(x)
        silent_tokens[(features > 0).any(0)] = 0
        variance = (x - x.mean(0)).pow(2).sum()
        loss = error.pow(2).sum() / variance
        dead = silent_tokens > DEAD_AFTER_TOKENS
        if not dead.any():
            return loss
        revived = topk(hidden[:, dead], min(AUXILIARY_K, int(dead.sum()))) @ sae.W_D[dead]
        left = error.detach()
        return loss + AUXILIARY_WEIGHT * (left - revived).float().pow(2).sum() / left.pow(2).sum()


def _batches(tokens: Float[Tensor, "token d_model"]) -> Iterator[Float[Tensor, "token d_model"]]:
    for _ in range(EPOCHS):
        order = torch.randperm(len(tokens))
        for first in range(0, len(tokens) - BATCH_TOKENS + 1, BATCH_TOKENS):
            yield tokens[order[first : first + BATCH_TOKENS]].float()


@torch.no_grad()
def _evaluate(sae: SparseAutoEncoder, tokens: Float[Tensor, "token d_model"]) -> dict[str, float]:
    mean = tokens.float().mean(0)
    error = variance = 0.0
    n_active = torch.zeros(D_SAE, dtype=torch.int64)
    for x in tokens.float().split(BATCH_TOKENS):
        features = topk(x @ sae.W_E + sae.b_E, K)
        error += float((x - features @ sae.W_D - sae.b_D).pow(2).sum())
        variance += float((x - mean).pow(2).sum())
        n_active += (features > 0).sum(0)
    return {
        "held_out_tokens": len(tokens),
        "fraction_of_variance_explained": round(1 - error / variance, 4),
        "l0": round(float(n_active.sum()) / len(tokens), 2),
        "dead_share": round(float((n_active == 0).float().mean()), 4),
    }


def _print(step: Step) -> None:
    print(f"{step.what}: {step.done} of {step.total} {step.unit}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
