"""Stored samples as windows of text: what an explainer is shown, and a person in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from sae_assets.interpretation.records import ExampleGroup, ExampleWindow, FeatureExamples
from sae_assets.interpretation.windows import example_window
from sae_assets.settings import NON_ACTIVATING
from sae_assets.store.features import StoredFeature, StoredSample


def window_of(sample: StoredSample, max_length: int) -> ExampleWindow:
    """The window of at most `max_length` tokens around the sample's peak."""
    context = sample.context
    return example_window(
        context.context_idx,
        context.text,
        context.starts,
        context.stops,
        sample.positions,
        sample.values,
        range(sample.start, sample.stop),
        max_length,
    )


def examples_of(
    feature: StoredFeature, max_length: int, hard_negatives: Sequence[ExampleWindow] = ()
) -> FeatureExamples:
    """All samples of a feature as windows, with the output tokens where they are known.

    Args:
        hard_negatives: as in `FeatureExamples`.
    """
    groups = {name: [window_of(sample, max_length) for sample in group] for name, group in feature.samples.items()}
    silent = groups.pop(NON_ACTIVATING, [])
    logits = feature.logits
    return FeatureExamples(
        index=feature.index,
        max_activation=feature.statistics.max_act,
        activating=[ExampleGroup(name, windows) for name, windows in groups.items()],
        non_activating=silent,
        top_logits=tuple(token.text for token in logits.top) if logits else (),
        bottom_logits=tuple(token.text for token in logits.bottom) if logits else (),
        hard_negatives=hard_negatives,
    )
