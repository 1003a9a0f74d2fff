"""The analysis next to its limit, the encoder's product alone: `python benchmarks/analysis.py [--quick | --million]`.

Prints one JSON line a case: seconds of the product (`torch.addmm` into a preallocated output, in the tiles that the
analysis uses, same dtype and threads), seconds of the whole analysis, their ratio, what the issue of it allows, and the
peak memory above weights and activations in bytes. Each case has a process of its own; both are measured in turn in it,
and the fastest of each counts. Activations are random, so nearly every active value opens a pair of feature and context
of its own: the hardest case for the samples. `--million`: 1,048,576 features, which takes 12 GB and some minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from fresh_process import in_fresh_process, peak_bytes

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.encoding import TILE_TOKENS
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.settings import FeatureAnalyzerConfig, SubsampleConfig

REPEATS = 3
LARGEST_PRODUCT = 1 << 15
"""Features in one product of the limit: with a million, its output would not fit."""
BANDS = {f"band_{tenths}": SubsampleConfig(proportion=tenths / 10, n_samples=10) for tenths in (1, 3, 5, 7, 9)}


@dataclass(frozen=True)
class Case:
    """One line of the output."""

    act_fn: str
    """Activation function."""
    l0: int
    """Active features a token, or nearly so."""
    d_model: int = 768
    """Width of the activations."""
    d_sae: int = 16_384
    """Features."""
    context_size: int = 128
    """Tokens in a context."""
    n_tokens: int = 32_768
    """Tokens analysed."""
    bands: bool = False
    """Five magnitude bands instead of the default subsamples."""
    n_samples: int = 10
    """Contexts in `top_activations`."""
    batch_size: int = 32
    """Contexts in a batch."""
    amp_dtype: str = "float32"
    """Precision of the product, in the analysis and in its limit."""


CASES = [
    Case("topk", 32),
    Case("topk", 64),
    Case("relu", 50),
    Case("relu", 100),
    Case("jumprelu", 50),
    Case("jumprelu", 100),
    Case("topk", 32, d_model=512),
    Case("topk", 64, d_model=512),
    Case("relu", 100, d_model=512),
    Case("topk", 32, d_sae=32_768),
    Case("topk", 32, context_size=1024),
    Case("topk", 32, bands=True),
    Case("topk", 32, n_samples=50),
    Case("topk", 32, n_tokens=131_072),
    Case("topk", 32, d_sae=32_768, context_size=1024, batch_size=8),
    Case("topk", 32, amp_dtype="bfloat16"),
    Case("topk", 64, amp_dtype="bfloat16"),
    Case("relu", 50, amp_dtype="bfloat16"),
    Case("jumprelu", 100, amp_dtype="bfloat16"),
]
QUICK = CASES[:3]
MILLION = [Case("topk", 32, d_model=256, d_sae=1_048_576, n_tokens=8192)]


def main() -> None:
    """Measures every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the first cases")
    parser.add_argument("--million", action="store_true", help="only a million features")
    chosen = parser.parse_args()
    for case in QUICK if chosen.quick else MILLION if chosen.million else CASES:
        print(json.dumps(in_fresh_process(partial(measured, case))), flush=True)


def measured(case: Case) -> dict[str, object]:
    """The case with its figures."""
    torch.manual_seed(0)
    x = torch.randn(case.n_tokens // case.context_size, case.context_size, case.d_model)
    sae = random_sae(case, x.flatten(0, 1)[:2048])
    dtype = getattr(torch, case.amp_dtype)
    subsamples = dict(FeatureAnalyzerConfig(total_analyzing_tokens=1).subsamples)
    subsamples["top_activations"] = SubsampleConfig(proportion=1.0, n_samples=case.n_samples)
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=case.n_tokens, subsamples=BANDS if case.bands else subsamples)
    before = peak_bytes()
    l0 = FeatureAnalyzer(cfg).analyze_batches(batches(x, case.batch_size), sae=sae, amp_dtype=dtype).l0
    peak = peak_bytes() - before
    product, analysis = [], []
    for _ in range(1 if case in MILLION else REPEATS):
        product.append(product_seconds(sae, x.flatten(0, 1), dtype))
        began = time.perf_counter()
        FeatureAnalyzer(cfg).analyze_batches(batches(x, case.batch_size), sae=sae, amp_dtype=dtype)
        analysis.append(time.perf_counter() - began)
    allowed = 3.0 if dtype != torch.float32 else 1.5 if case.act_fn == "topk" else 1.6
    figures = {
        "l0_measured": round(l0, 1),
        "product_seconds": round(min(product), 3),
        "analysis_seconds": round(min(analysis), 3),
        "ratio": round(min(analysis) / min(product), 2),
        "allowed": allowed,
        "peak_bytes_above": peak,
    }
    return vars(case) | figures


def random_sae(case: Case, sample: torch.Tensor) -> SparseAutoEncoder:
    """An autoencoder of random directions whose bias or threshold gives about the L0 asked for."""
    config = SAEConfig.model_validate(
        {
            "d_model": case.d_model,
            "expansion_factor": case.d_sae / case.d_model,
            "hook_point_in": "random",
            "hook_point_out": "random",
            "act_fn": case.act_fn,
            "top_k": case.l0,
            "norm_activation": "inference",
            "sparsity_include_decoder_norm": False,
        }
    )
    sae = SparseAutoEncoder(config).requires_grad_(False)
    sae.W_D.copy_(torch.nn.functional.normalize(torch.randn(case.d_sae, case.d_model), dim=1))
    sae.W_E.copy_(sae.W_D.T)
    threshold = (sample @ sae.W_E[:, :1024]).flatten().kthvalue(int(len(sample) * 1024 * (1 - case.l0 / case.d_sae)))
    if case.act_fn == "relu":
        sae.b_E.fill_(-threshold.values)
    elif case.act_fn == "jumprelu":
        sae.threshold.fill_(threshold.values)
    return sae


def product_seconds(sae: SparseAutoEncoder, tokens: torch.Tensor, dtype: torch.dtype) -> float:
    """The encoder's product alone, after one tile to warm up."""
    weight, bias = sae.W_E.to(dtype), sae.b_E.to(dtype)
    tiles = [tile.to(dtype) for tile in tokens.split(TILE_TOKENS)]
    features = range(0, sae.d_sae, LARGEST_PRODUCT)
    out = torch.empty(TILE_TOKENS, min(sae.d_sae, LARGEST_PRODUCT), dtype=dtype)
    torch.addmm(bias[:LARGEST_PRODUCT], tiles[0], weight[:, :LARGEST_PRODUCT], out=out)
    began = time.perf_counter()
    for tile in tiles:
        for first in features:
            rows = slice(first, first + LARGEST_PRODUCT)
            torch.addmm(bias[rows], tile, weight[:, rows], out=out)
    return time.perf_counter() - began


def batches(x: torch.Tensor, size: int) -> Iterator[ActivationBatch]:
    """The contexts, some at a time."""
    context_idx = torch.arange(len(x))
    tokens, mask = torch.zeros(x.shape[:2], dtype=torch.long), torch.ones(x.shape[:2], dtype=torch.bool)
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        yield ActivationBatch(context_idx[rows], tokens[rows], mask[rows], x[rows])


if __name__ == "__main__":
    main()
