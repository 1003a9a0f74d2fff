"""The demo's chain, stage by stage, each in a fresh process: `python benchmarks/chain.py [--tokens N]`.

Prints one JSON line a stage: seconds, tokens (features for the stages after the summaries) a second, peak memory of the
process in bytes, bytes written. Run `make demo` once before, which prepares model and text.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fresh_process import in_fresh_process, peak_bytes
from upath import UPath

from sae_assets.demo.settings import CHECKPOINT, HOOK_POINT, NAME, SERIES, demo_settings
from sae_assets.disk.layout import DataFolder
from sae_assets.runners.analysis_run import AnalysisRun
from sae_assets.runners.analyze import publish_summaries
from sae_assets.runners.logits import publish_table
from sae_assets.runners.logits_run import LogitsRun
from sae_assets.runners.summaries import make_summaries
from sae_assets.settings.layers import CheckpointFacts, checkpoint_settings
from sae_assets.store.connection import connect


def main() -> None:
    """Runs all stages in a temporary data folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=demo_settings().analyzer.total_analyzing_tokens)
    tokens = parser.parse_args().tokens
    stages = {
        "tokenized_contexts": contexts,
        "activation_chunks": chunks,
        "feature_summaries": summaries,
        "direct_logit_attributions": logits,
        "feature_documents": documents,
    }
    with TemporaryDirectory() as folder:
        for name, stage in stages.items():
            print(
                json.dumps({"stage": name} | in_fresh_process(partial(measured, partial(stage, tokens, Path(folder))))),
                flush=True,
            )


def analysis(tokens: int, data: Path) -> AnalysisRun:
    """The demo's analysis with another token budget."""
    budget = {"analyzer": {"total_analyzing_tokens": tokens}}
    facts = CheckpointFacts(hook_point=HOOK_POINT)
    settings = checkpoint_settings(CHECKPOINT, budget, facts, CHECKPOINT.parents[2])
    return AnalysisRun(settings.for_analysis(CHECKPOINT, SERIES, NAME), DataFolder(UPath(data)))


def contexts(tokens: int, data: Path) -> dict[str, Any]:
    """Cuts the contexts."""
    run = analysis(tokens, data)
    made = run.make_contexts()
    return {"units": made.report.n_tokens, "bytes": run.on_disk.folder.contexts.stat().st_size}


def chunks(tokens: int, data: Path) -> dict[str, Any]:
    """Runs the language model up to the hook point."""
    manifest = analysis(tokens, data).make_chunks().manifest
    return {"units": manifest.n_contexts * manifest.form.context_size, "bytes": manifest.n_bytes}


def summaries(tokens: int, data: Path) -> dict[str, Any]:
    """Encodes and accumulates."""
    run = analysis(tokens, data)
    made = make_summaries(run)
    return {"units": made.stored.summaries.n_analyzed_tokens, "bytes": run.folder.summaries.stat().st_size}


def logits(_tokens: int, data: Path) -> dict[str, Any]:
    """Attributes the logits."""
    run = LogitsRun(demo_settings().for_logits(CHECKPOINT, SERIES, NAME), DataFolder(UPath(data)))
    made = run.make_logits()
    return {"units": len(made.stored.logits.maximum), "bytes": run.folder.logits.stat().st_size}


def documents(tokens: int, data: Path) -> dict[str, Any]:
    """Publishes to the bundled server."""
    run = analysis(tokens, data)
    stored = make_summaries(run).stored
    table = LogitsRun(demo_settings().for_logits(CHECKPOINT, SERIES, NAME), run.data)
    with connect(None, run.data) as store:
        publish_summaries(run, stored, store)
        publish_table(table, table.make_logits().stored, store)
    return {"units": stored.summaries.d_sae, "bytes": sum(f.stat().st_size for f in run.data.mongo.rglob("*"))}


def measured(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the work returns, with its time and the peak memory of its process."""
    began = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - began
    units = result.pop("units")
    figures = {"seconds": seconds, "units": units, "units_per_second": units / seconds, "peak_bytes": peak_bytes()}
    return figures | result


if __name__ == "__main__":
    main()
