"""A sample context as runs of text: active tokens, and the silent stretches between them."""

from __future__ import annotations

import numpy as np

from sae_assets.interpretation.records import ExampleWindow
from sae_assets.interpretation.windows import example_window
from sae_assets.store.features import StoredSample
from sae_assets.web.models.features import Sample, Segment

WINDOW_TOKENS = 48
"""Tokens around the peak that are shown of a sample."""


def sample_window(sample: StoredSample, n_tokens: int = WINDOW_TOKENS) -> Sample:
    """The sample with the text of `n_tokens` tokens around its peak."""
    return _sample(sample, _around_the_peak(sample, n_tokens))


def whole_sample(sample: StoredSample) -> Sample:
    """The sample with the text of its whole context."""
    return _sample(sample, range(len(sample.context.starts)))


def segments_of(window: ExampleWindow) -> list[Segment]:
    """The window's text: each active piece by itself, silent ones joined."""
    peak = int(window.activations.argmax()) if len(window.pieces) else -1
    segments: list[Segment] = []
    silent: list[str] = []
    for place, (piece, value) in enumerate(zip(window.pieces, window.activations.tolist(), strict=True)):
        if value <= 0:
            silent.append(piece)
            continue
        if silent:
            segments.append(Segment(text="".join(silent)))
            silent = []
        segments.append(Segment(text=piece, activation=value, is_peak=place == peak))
    if silent:
        segments.append(Segment(text="".join(silent)))
    return segments


def _around_the_peak(sample: StoredSample, n_tokens: int) -> range:
    """Positions with the peak in their middle, moved where they would leave what is kept of the sample."""
    centre = int(sample.positions[sample.values.argmax()]) if len(sample.positions) else _middle_of_text(sample)
    start = max(sample.start, min(centre - n_tokens // 2, sample.stop - n_tokens))
    return range(start, min(start + n_tokens, sample.stop))


def _middle_of_text(sample: StoredSample) -> int:
    """The position in the middle of those that have text: a silent context may end in padding."""
    kept = range(sample.start, sample.stop)
    with_text = [position for position in kept if sample.context.stops[position] > sample.context.starts[position]]
    return with_text[len(with_text) // 2] if with_text else sample.start


def _sample(sample: StoredSample, shown: range) -> Sample:
    context = sample.context
    is_shown = (sample.positions >= shown.start) & (sample.positions < shown.stop)
    window = example_window(
        context.context_idx,
        context.text,
        context.starts,
        context.stops,
        sample.positions[is_shown],
        sample.values[is_shown],
        shown,
        max(len(shown), 1),
    )
    starts, stops = np.asarray(context.starts), np.asarray(context.stops)
    has_text = stops > starts
    # A window may end within a character that several tokens share, which is shown whole.
    first = starts[shown.start : shown.stop][has_text[shown.start : shown.stop]].min(initial=len(context.text))
    last = stops[shown.start : shown.stop][has_text[shown.start : shown.stop]].max(initial=0)
    return Sample(
        context_idx=context.context_idx,
        dataset=context.dataset,
        document_idx=context.document_idx,
        peak=sample.peak,
        segments=segments_of(window),
        has_more_before=bool((starts[: shown.start] < first)[has_text[: shown.start]].any()),
        has_more_after=bool((stops[shown.stop :] > last)[has_text[shown.stop :]].any()),
        is_partly_known=bool(has_text[shown.start : sample.start].any() or has_text[sample.stop : shown.stop].any()),
    )
