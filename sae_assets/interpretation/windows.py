"""Cutting a window of whole tokens out of a context, around the place where a feature peaks."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from sae_assets.interpretation.records import ExampleWindow


def example_window(
    context_idx: int,
    text: str,
    starts: Sequence[int] | np.ndarray,
    stops: Sequence[int] | np.ndarray,
    positions: Sequence[int] | np.ndarray,
    values: Sequence[float] | np.ndarray,
    kept: range,
    max_length: int,
) -> ExampleWindow:
    """The window of at most `max_length` tokens around the feature's peak in a context.

    Where the feature is silent, the window lies at a place drawn by `context_idx`, the same for every feature.

    Args:
        text: the whole context.
        starts, stops: character range in `text` of each token of the context; empty for inserted tokens (BOS, padding).
        positions, values: the active tokens and their activations; empty for a silent context.
        kept: positions whose activations are known (a subsample's window); the result never leaves it.
    """
    starts, stops = np.asarray(starts, dtype=np.int64), np.asarray(stops, dtype=np.int64)
    activations = np.zeros(len(starts), dtype=np.float32)
    activations[np.asarray(positions, dtype=np.int64)] = values
    has_text = [position for position in kept if stops[position] > starts[position]]
    if not has_text:
        return ExampleWindow(context_idx, (), np.zeros(0, dtype=np.float32))
    centre = int(activations.argmax()) if len(positions) else random.Random(int(context_idx)).choice(has_text)
    tokens = _around(centre, range(min(has_text[0], centre), max(has_text[-1], centre) + 1), max_length)
    return _window(context_idx, text, starts, stops, activations, tokens)


def _around(centre: int, allowed: range, max_length: int) -> range:
    """`max_length` positions with `centre` in their middle, moved where they would leave `allowed`."""
    start = max(allowed.start, min(centre - max_length // 2, allowed.stop - max_length))
    return range(start, min(start + max_length, allowed.stop))


def _window(
    context_idx: int, text: str, starts: np.ndarray, stops: np.ndarray, activations: np.ndarray, tokens: range
) -> ExampleWindow:
    pieces: list[str] = []
    values: list[float] = []
    end: int | None = None
    for token in tokens:
        start, stop, value = int(starts[token]), int(stops[token]), float(activations[token])
        if start == stop:
            # An inserted token shows nothing; it is kept only where the feature is active on it.
            if value > 0:
                pieces.append("")
                values.append(value)
        elif end is not None and start < end:
            # Tokens that share a character (an emoji of several tokens) are one piece, as active as the most active.
            pieces[-1] += text[end:stop]
            values[-1] = max(values[-1], value)
            end = max(end, stop)
        else:
            # Characters that belong to no token (normalised away) go with the token after them.
            pieces.append(text[start if end is None else end : stop])
            values.append(value)
            end = stop
    return ExampleWindow(context_idx, tuple(pieces), np.asarray(values, dtype=np.float32))
