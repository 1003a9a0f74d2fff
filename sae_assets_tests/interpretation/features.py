"""Features with a known meaning: active on one word and silent elsewhere."""

from __future__ import annotations

import random

import numpy as np

from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples

FILLER = ["river", "stone", "walks", "slowly", "under", "green", "light", "seven", "paper", "house", "song", "winter"]


def word_feature(
    index: int = 0, word: str = "cat", n_activating: int = 20, n_silent: int = 20, length: int = 12
) -> FeatureExamples:
    """A feature that is active on `word` at levels 1 to 10 and nowhere else; half its windows are of a band."""
    rng = random.Random(index)
    levels = [1 + (number * 9) // max(1, n_activating - 1) for number in range(n_activating)]
    windows = [_window(rng, number, word, level, length) for number, level in enumerate(levels)]
    windows = sorted(windows, key=lambda window: -window.peak)
    silent = [_window(rng, 1000 + number, None, 0, length) for number in range(n_silent)]
    half = (n_activating + 1) // 2
    groups = [ExampleGroup("top_activations", windows[:half]), ExampleGroup("middle", windows[half:])]
    return FeatureExamples(index, 10.0, groups, silent, ("purr", " meow"), ("bark",))


def _window(rng: random.Random, context_idx: int, word: str | None, level: int, length: int) -> ExampleWindow:
    pieces = [f" {rng.choice(FILLER)}" for _ in range(length - 1)] + [f" {context_idx}"]
    activations = np.zeros(length, dtype=np.float32)
    if word is not None:
        at = rng.randrange(1, length - 1)
        pieces[at] = f" {word}"
        activations[at] = level
    return ExampleWindow(context_idx, tuple(pieces), activations)
