"""Sample contexts as runs of text: they join to the text, whatever characters tokens share."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sae_assets.activations.context import Context
from sae_assets.store.features import StoredSample
from sae_assets.web.segments import sample_window, whole_sample

TEXT = "a 👩‍🚀 日本\tb\n<i>שלום"


@st.composite
def samples(draw: st.DrawFn) -> StoredSample:
    """A context whose tokens are characters or bytes of them, as byte-level tokenizers cut them; one BOS before."""
    starts, stops = [0], [0]
    for place, character in enumerate(TEXT):
        for _ in character.encode() if draw(st.booleans()) else [0]:
            starts.append(place)
            stops.append(place + 1)
    n = len(starts)
    context = Context(
        7, "texts", 1, TEXT, np.zeros(n, np.int32), np.array(starts), np.array(stops), np.ones(n, dtype=bool)
    )
    start = draw(st.integers(0, n - 2))
    stop = draw(st.integers(max(start + 1, 2), n))  # of the first token, nothing can be shown alone
    positions = np.array(sorted(draw(st.sets(st.integers(start, stop - 1)))), np.int32)
    values = np.array(draw(st.lists(st.integers(1, 9), min_size=len(positions), max_size=len(positions))), np.float32)
    return StoredSample(context, float(values.max(initial=0)), start, stop, positions, values)


@given(samples())
def test_the_whole_context_joins_to_its_text(sample: StoredSample):
    whole = whole_sample(sample)
    assert "".join(segment.text for segment in whole.segments) == TEXT
    assert not whole.has_more_before and not whole.has_more_after


@given(samples(), st.integers(2, 30))
def test_a_window_is_a_part_of_the_text_around_the_peak(sample: StoredSample, n_tokens: int):
    window = sample_window(sample, n_tokens)
    text = "".join(segment.text for segment in window.segments)
    assert text in TEXT
    peaks = [segment for segment in window.segments if segment.is_peak]
    assert len(peaks) == (1 if len(sample.positions) else 0)
    assert all(segment.activation == sample.peak for segment in peaks)
    assert (text == TEXT) <= (not window.has_more_before and not window.has_more_after)


@given(samples())
def test_silent_stretches_are_joined(sample: StoredSample):
    segments = whole_sample(sample).segments
    silent = [segment.activation is None for segment in segments]
    assert not any(one and other for one, other in pairwise(silent))


@given(samples())
def test_activations_that_were_not_kept_are_said_to_be_missing(sample: StoredSample):
    has_text = sample.context.stops > sample.context.starts
    is_missing = has_text[: sample.start].any() or has_text[sample.stop :].any()
    assert whole_sample(sample).is_partly_known == is_missing
    assert not sample_window(sample, 4).is_partly_known
