"""Direct logit attribution and nearest decoders next to their products: `python benchmarks/logits.py [--features N]`.

Prints one JSON line for each: seconds of the product alone (`torch.mm` into a preallocated output, in the blocks that
the library uses, float32, same threads), seconds of the whole, their ratio, and the peak memory above the weights in
bytes. Each has a process of its own; both are measured in turn in it, and the fastest of each counts.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import torch
from fresh_process import in_fresh_process, peak_bytes

from sae_assets.analysis.geometry import block_rows, dictionary_geometry
from sae_assets.analysis.logits import attribute_logits, block_sizes
from sae_assets.settings import DirectLogitAttributorConfig

REPEATS = 5
D_MODEL = 768
VOCAB = 50_257


def main() -> None:
    """Measures both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=16_384, help="features of the dictionary")
    n_features = parser.parse_args().features
    for case in (logits, nearest_decoders):
        print(json.dumps(in_fresh_process(partial(case, n_features))), flush=True)


def logits(n_features: int) -> dict[str, object]:
    """Attribution of random directions to a vocabulary like GPT-2's."""
    decoder, unembedding = random_weights(n_features, D_MODEL), random_weights(D_MODEL, VOCAB)
    cfg = DirectLogitAttributorConfig(variant="raw")
    whole = partial(attribute_logits, decoder, unembedding, cfg, None)
    block = block_sizes(VOCAB, unembedding.device).block
    return {"case": "logits", "d_model": D_MODEL, "features": n_features, "vocab": VOCAB} | compared(
        whole, decoder, unembedding, block
    )


def nearest_decoders(n_features: int) -> dict[str, object]:
    """The ten nearest of random decoders; their norms and cosines are part of it."""
    decoder = random_weights(n_features, D_MODEL)
    whole = partial(dictionary_geometry, decoder.T, decoder)
    return {"case": "nearest_decoders", "d_model": D_MODEL, "features": n_features} | compared(
        whole, decoder, decoder.T, block_rows(n_features)
    )


def random_weights(*shape: int) -> torch.Tensor:
    """Numbers of a size that gives logits about as large as 1, made without a copy that would hide later memory."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul_(D_MODEL**-0.5)


def compared(whole: Callable[[], object], left: torch.Tensor, right: torch.Tensor, block: int) -> dict[str, object]:
    """Seconds of the whole and of its product, and the memory of the whole."""
    before = peak_bytes()
    whole()
    peak = peak_bytes() - before
    products, wholes = [], []
    for _ in range(REPEATS):
        products.append(product_seconds(left, right, block))
        began = time.perf_counter()
        whole()
        wholes.append(time.perf_counter() - began)
    return {
        "threads": torch.get_num_threads(),
        "product_seconds": round(min(products), 3),
        "seconds": round(min(wholes), 3),
        "ratio": round(min(wholes) / min(products), 3),
        "peak_bytes_above": peak,
    }


def product_seconds(left: torch.Tensor, right: torch.Tensor, block: int) -> float:
    """The product alone, after one block to warm up; the last block is filled up with the first rows."""
    out = torch.empty(block, right.shape[1])
    blocks = [torch.cat([rows, left[: block - len(rows)]]) if len(rows) < block else rows for rows in left.split(block)]
    torch.mm(blocks[0], right, out=out)
    began = time.perf_counter()
    for rows in blocks:
        torch.mm(rows, right, out=out)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
