"""Chunk files next to the disk's speed: `python benchmarks/chunks.py [--folder F]`.

Prints JSON lines, all on one thread. A chunk of 64 MiB is read from the page cache, checksum included, next to a
memory-map of the same bytes, both copied into a preallocated tensor. It is written, synced and renamed, next to
`np.save` without and with a sync. `ratio` is the seconds of numpy by ours.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from upath import UPath

from sae_assets.activations.chunk_file import read_chunk, write_chunk
from sae_assets.activations.chunks import CHUNK_BYTES

REPEATS = 15
SHAPE = (128, 768)
"""Positions and width of a context."""
CONTEXTS_A_PASS = 8
"""What the model gives at a time."""


def main() -> None:
    """Measures both precisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to write; the folder for temporary files where not given")
    torch.set_num_threads(1)
    with TemporaryDirectory(dir=parser.parse_args().folder) as folder:
        for dtype in (torch.bfloat16, torch.float32):
            compare(Path(folder), dtype)


def compare(folder: Path, dtype: torch.dtype) -> None:
    """Prints the lines of one precision."""
    n_contexts = CHUNK_BYTES // (SHAPE[0] * SHAPE[1] * dtype.itemsize)
    activations = torch.randn(n_contexts, *SHAPE).to(dtype)
    flat = activations.view(torch.uint8).numpy()
    context_idx, parts = torch.arange(n_contexts), activations.split(CONTEXTS_A_PASS)
    chunk, array = UPath(folder / "chunk.parquet"), folder / "array.npy"
    write = partial(write_chunk, chunk, context_idx, parts)
    save, save_synced = partial(saved, array, flat, False), partial(saved, array, flat, True)
    save()
    checksum = write()

    def of_chunk(into: torch.Tensor) -> None:
        into.copy_(read_chunk(chunk, checksum).activations)

    def of_map(into: torch.Tensor) -> None:
        into.copy_(torch.from_numpy(np.asarray(np.load(array, mmap_mode="c"))).view(dtype))

    facts = {"dtype": str(dtype), "bytes": activations.nbytes}
    for used_as in {dtype, torch.float32}:
        into = torch.empty(activations.shape, dtype=used_as)
        ours, numpys = seconds(partial(of_chunk, into), partial(of_map, into))
        report({"what": "read", "used_as": str(used_as), **facts}, ours, "map", numpys)
    ours, numpys, synced = seconds(write, save, save_synced)
    report({"what": "write", **facts}, ours, "save", numpys)
    report({"what": "write", **facts}, ours, "save_synced", synced)


def saved(path: Path, values: np.ndarray, is_synced: bool) -> None:
    """`np.save`, as the ordinary user of it writes."""
    with path.open("wb") as file:
        np.save(file, values)
        if is_synced:
            file.flush()
            os.fsync(file.fileno())


def seconds(*works: Callable[[], object]) -> list[float]:
    """The least time of each, taken in turn."""
    least = [float("inf")] * len(works)
    for _ in range(REPEATS):
        for i, work in enumerate(works):
            began = time.perf_counter()
            work()
            least[i] = min(least[i], time.perf_counter() - began)
    return least


def report(facts: dict[str, object], ours: float, name: str, numpys: float) -> None:
    """Prints one comparison."""
    figures = {"chunk_ms": round(ours * 1e3, 1), f"{name}_ms": round(numpys * 1e3, 1), "ratio": round(numpys / ours, 2)}
    print(json.dumps(facts | figures), flush=True)


if __name__ == "__main__":
    main()
