"""The analysis next to its limit, the encoder's product alone: `python benchmarks/analysis.py [--quick]`.

Prints one JSON line a case: seconds of the product (`torch.addmm` into a preallocated output, in the tiles that the
analysis uses, same dtype and threads), seconds of the whole analysis, their ratio, the peak memory above the weights in
bytes. Both are measured in turn in one process, and the fastest of each counts. Activations are random, so nearly every
active value opens a pair of feature and context of its own: the hardest case for the samples.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.encoding import TILE_TOKENS
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.settings import FeatureAnalyzerConfig, SubsampleConfig

REPEATS = 3
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


CASES = [
    Case("topk", 32),
    Case("topk", 64),
    Case("relu", 50),
    Case("relu", 100),
    Case("jumprelu", 50),
    Case("topk", 32, d_model=512),
    Case("topk", 32, d_sae=32_768),
    Case("topk", 32, context_size=1024),
    Case("topk", 32, bands=True),
    Case("topk", 32, n_tokens=131_072),
]
QUICK = CASES[:3]


def main() -> None:
    """Measures every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the first cases")
    for case in QUICK if parser.parse_args().quick else CASES:
        print(json.dumps(measured(case)), flush=True)


def measured(case: Case) -> dict[str, object]:
    """The case with its figures."""
    torch.manual_seed(0)
    x = torch.randn(case.n_tokens // case.context_size, case.context_size, case.d_model)
    sae = random_sae(case, x.flatten(0, 1)[:2048])
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=case.n_tokens)
    if case.bands:
        cfg = cfg.model_copy(update={"subsamples": BANDS})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    product, analysis, l0 = [], [], 0.0
    for _ in range(REPEATS):
        product.append(product_seconds(sae, x.flatten(0, 1)))
        began = time.perf_counter()
        l0 = FeatureAnalyzer(cfg).analyze_batches(batches(x), sae=sae).l0
        analysis.append(time.perf_counter() - began)
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    figures = {
        "l0_measured": round(l0, 1),
        "product_seconds": round(min(product), 3),
        "analysis_seconds": round(min(analysis), 3),
        "ratio": round(min(analysis) / min(product), 2),
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
        sae.log_jumprelu_threshold.fill_(threshold.values.log())
    return sae


def product_seconds(sae: SparseAutoEncoder, tokens: torch.Tensor) -> float:
    """The encoder's product alone, after one tile to warm up."""
    out = torch.empty(TILE_TOKENS, sae.d_sae)
    torch.addmm(sae.b_E, tokens[:TILE_TOKENS], sae.W_E, out=out)
    began = time.perf_counter()
    for tile in tokens.split(TILE_TOKENS):
        torch.addmm(sae.b_E, tile, sae.W_E, out=out)
    return time.perf_counter() - began


def batches(x: torch.Tensor) -> Iterator[ActivationBatch]:
    """The contexts, 32 at a time."""
    context_idx = torch.arange(len(x))
    tokens, mask = torch.zeros(x.shape[:2], dtype=torch.long), torch.ones(x.shape[:2], dtype=torch.bool)
    for first in range(0, len(x), 32):
        rows = slice(first, first + 32)
        yield ActivationBatch(context_idx[rows], tokens[rows], mask[rows], x[rows])


if __name__ == "__main__":
    main()
