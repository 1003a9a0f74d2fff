"""Publishing an analysis to the bundled server: `python benchmarks/store.py [--features N]`.

Prints one JSON line: seconds, features a second, commands that were sent and features a command, bytes a feature of all
its documents (as BSON, before the server compresses anything). 16,384 features with 30 activating samples each, on
contexts of 128 tokens, of which about three are active in a sample.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import bson
import numpy as np
import torch
from pymongo import monitoring
from upath import UPath

from sae_assets.activations.batch import ActivationBatch
from sae_assets.activations.contexts import Context
from sae_assets.analysis.analyzer import FeatureAnalyzer
from sae_assets.analysis.geometry import dictionary_geometry
from sae_assets.dictionary.config import SAEConfig
from sae_assets.dictionary.sparse_autoencoder import SparseAutoEncoder
from sae_assets.disk.layout import DataFolder
from sae_assets.settings import FeatureAnalyzerConfig, SubsampleConfig
from sae_assets.store.connection import connect
from sae_assets.store.documents import SAEDocument
from sae_assets.store.publish import AnalysisRecord, publish_analysis
from sae_assets.store.server import stop_server

D_MODEL, L0, N_CONTEXTS, CONTEXT_SIZE, N_SAMPLES = 64, 32, 1024, 128, 30


class Commands(monitoring.CommandListener):
    """Counts what is sent to the server, and the bytes of the documents in it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.is_counting = False

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Called before each command."""
        if self.is_counting:
            self.counts[event.command_name] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


def main() -> None:
    """Publishes once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=16_384)
    d_sae = parser.parse_args().features
    commands = Commands()
    monitoring.register(commands)
    sae, batch = random_sae(d_sae), random_batch()
    subsamples = {"top_activations": SubsampleConfig(proportion=1.0, n_samples=N_SAMPLES)}
    cfg = FeatureAnalyzerConfig(total_analyzing_tokens=N_CONTEXTS * CONTEXT_SIZE, subsamples=subsamples)
    summaries = FeatureAnalyzer(cfg).analyze_batches([batch], sae=sae)
    geometry = dictionary_geometry(sae.encoder, sae.decoder)
    contexts = [context(index) for index in summaries.sampled_contexts]
    document = SAEDocument(
        id="bench/random",
        series="bench",
        name="random",
        path="none",
        identity="0" * 16,
        config={},
        model_name=None,
        hook_point="random",
        d_model=D_MODEL,
        d_sae=d_sae,
    )
    with TemporaryDirectory() as folder:
        data = DataFolder(UPath(Path(folder)))
        try:
            with connect(None, data) as store:
                commands.is_counting = True
                began = time.perf_counter()
                publish_analysis(
                    store, document, AnalysisRecord("default", "source"), summaries, geometry, iter(contexts)
                )
                seconds = time.perf_counter() - began
                commands.is_counting = False
                sizes = {
                    name: sum(len(bson.encode(document)) for document in store.database[name].find())
                    for name in ("features", "samples")
                }
        finally:
            stop_server(data.mongo)
    figures = {
        "features": d_sae,
        "samples": N_SAMPLES,
        "seconds": round(seconds, 1),
        "features_per_second": round(d_sae / seconds),
        "commands": dict(commands.counts),
        "features_per_command": round(d_sae / commands.counts.total()),
        "bytes_per_feature": round(sum(sizes.values()) / d_sae),
    }
    print(json.dumps(figures))


def random_sae(d_sae: int) -> SparseAutoEncoder:
    """A TopK autoencoder of random directions."""
    config = SAEConfig(
        d_model=D_MODEL,
        expansion_factor=d_sae / D_MODEL,
        hook_point_in="random",
        hook_point_out="random",
        act_fn="topk",
        top_k=L0,
        norm_activation="inference",
    )
    sae = SparseAutoEncoder(config).requires_grad_(False)
    sae.W_D.copy_(torch.nn.functional.normalize(torch.randn(d_sae, D_MODEL), dim=1))
    sae.W_E.copy_(sae.W_D.T)
    return sae


def random_batch() -> ActivationBatch:
    """Contexts whose neighbouring tokens are alike, so that a feature is active on several of them."""
    x = torch.randn(N_CONTEXTS, CONTEXT_SIZE // 4, D_MODEL).repeat_interleave(4, dim=1)
    x += 0.3 * torch.randn(N_CONTEXTS, CONTEXT_SIZE, D_MODEL)
    tokens = torch.zeros(N_CONTEXTS, CONTEXT_SIZE, dtype=torch.long)
    return ActivationBatch(torch.arange(N_CONTEXTS), tokens, torch.ones_like(tokens, dtype=torch.bool), x)


def context(index: int) -> Context:
    """A context of words of four letters."""
    starts = np.arange(CONTEXT_SIZE, dtype=np.int32) * 4
    mask = np.ones(CONTEXT_SIZE, dtype=bool)
    tokens = np.zeros(CONTEXT_SIZE, dtype=np.int32)
    return Context(index, "texts", index, "abc " * CONTEXT_SIZE, tokens, starts, starts + 4, mask)


if __name__ == "__main__":
    main()
