"""Explaining and scoring features: `python benchmarks/interpretation.py [--features N] [--workers N] [--latency S]`.

Prints one JSON line: seconds and their ratio to the ideal (every worker always waiting for the endpoint), milliseconds
of CPU that the client spends on a feature and on a request, and the same for a second run, which finds every answer in
the cache. The endpoint is another process that answers after a fixed time; 1,000 features with the default explainer
and scorers, so five requests each, on windows of 50 tokens. MongoDB has no part in it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import random
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import uvicorn

from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.interpret import interpret_features
from sae_assets.interpretation.metered import MeteredLLM
from sae_assets.interpretation.pricing import price_for
from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples, FeatureExplanation
from sae_assets.settings import AutoInterpConfig

N_WINDOWS, N_TOKENS, N_ACTIVE = 20, 50, 3
WORDS = [f" word{number}" for number in range(1000)]


class Cost(NamedTuple):
    """What a run took."""

    seconds: float
    """Wall-clock time."""
    cpu_seconds: float
    """Processor time of this process, the system's work for it included."""


def main() -> None:
    """Runs once with an empty cache and once with a full one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
        return
    features = [random_feature(index) for index in range(given.features)]
    # A run reads features as it goes: it has no million windows for the garbage collector to look through.
    gc.freeze()
    with TemporaryDirectory() as folder, endpoint(given.latency) as url:
        cfg = AutoInterpConfig(openai_base_url=url, openai_api_key=None, openai_model="gpt-4o-mini")
        path = Path(folder) / "answers.sqlite"
        interpret(features[:1], cfg, Path(folder) / "warm.sqlite", 1)
        asked = interpret(features, cfg, path, given.workers)
        cached = interpret(features, cfg, path, given.workers)
    n_requests = 5 * given.features
    ideal = n_requests * given.latency / given.workers
    figures = {
        "features": given.features,
        "workers": given.workers,
        "latency": given.latency,
        "seconds": round(asked.seconds, 1),
        "wall_over_ideal": round(asked.seconds / ideal, 3),
        "cpu_ms_per_feature": round(1000 * asked.cpu_seconds / given.features, 2),
        "cpu_ms_per_request": round(1000 * asked.cpu_seconds / n_requests, 2),
        "cached_seconds": round(cached.seconds, 1),
        "cached_cpu_ms_per_feature": round(1000 * cached.cpu_seconds / given.features, 2),
    }
    print(json.dumps(figures))


def interpret(features: list[FeatureExamples], cfg: AutoInterpConfig, path: Path, max_workers: int) -> Cost:
    """Explains all features, each answer in a cache on disk."""
    ledger = Ledger(price_for(cfg), cfg.openai_model, max_cost=1e6, max_tokens=10**12)
    began, cpu_began = time.perf_counter(), cpu_seconds()
    with AnswerCache(path) as cache:
        llm = MeteredLLM(LLMClient(cfg), cfg, ledger, cache)
        for outcome in interpret_features(features, cfg, llm, ledger=ledger, max_workers=max_workers):
            assert isinstance(outcome, FeatureExplanation), outcome
            assert outcome.usage.requests == 5, outcome
    return Cost(time.perf_counter() - began, cpu_seconds() - cpu_began)


def cpu_seconds() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def random_feature(index: int) -> FeatureExamples:
    """A feature with three subsamples of 20 windows."""
    rng = random.Random(index)
    windows = [random_window(rng, number, N_ACTIVE) for number in range(3 * N_WINDOWS)]
    groups = [ExampleGroup(f"band {band}", windows[band::3]) for band in range(3)]
    silent = [random_window(rng, 1000 + number, 0) for number in range(N_WINDOWS)]
    return FeatureExamples(index, 10.0, groups, silent)


def random_window(rng: random.Random, context_idx: int, n_active: int) -> ExampleWindow:
    """Random words, some of them active."""
    activations = np.zeros(N_TOKENS, dtype=np.float32)
    activations[rng.sample(range(N_TOKENS), n_active)] = rng.uniform(1, 10)
    return ExampleWindow(context_idx, tuple(rng.choices(WORDS, k=N_TOKENS)), activations)


@contextmanager
def endpoint(latency: float) -> Iterator[str]:
    """The base URL of an endpoint in another process."""
    command = [sys.executable, __file__, "--serve", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        finally:
            server.kill()


def serve(latency: float) -> None:
    """Answers every prompt after a fixed time, in its form and else at random; prints its port."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        began, body, is_complete = time.monotonic(), b"", False
        while not is_complete:
            part = await receive()
            body, is_complete = body + part["body"], not part.get("more_body", False)
        reply = answer(body)
        await asyncio.sleep(latency - (time.monotonic() - began))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(reply)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run([listener])


def answer(body: bytes) -> bytes:
    """A chat completion that fits the form asked for."""
    fields: dict[str, Any] = {"steps": ["The marked words are much alike.", "They name the same thing."]}
    if b'"final_explanation"' in body:
        fields |= {"final_explanation": "words that name one thing", "activation_consistency": 4, "complexity": 2}
    else:
        fields |= {"verdicts": [random.random() < 0.5 for _ in range(body.count(b"\\nExample "))]}
    message = {"role": "assistant", "content": json.dumps(fields), "refusal": None, "annotations": []}
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": len(body) // 4,
            "completion_tokens": 60,
            "total_tokens": len(body) // 4 + 60,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0",
    }
    return json.dumps(completion).encode()


if __name__ == "__main__":
    main()
