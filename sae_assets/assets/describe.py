"""What a person wants to see of an analysis in the Dagster UI: a picture of the densities and a table of examples."""

from collections.abc import Callable, Iterable

import dagster as dg
import numpy as np
import torch

from sae_assets.activations.contexts import Context
from sae_assets.analysis.samples import FeatureSamples
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.assets.pictures import COLOUR, picture
from sae_assets.interpretation.marking import marked_above
from sae_assets.interpretation.windows import example_window

N_EXAMPLES = 10
WINDOW_TOKENS = 16
MARKED_SHARE = 0.5
"""Share of the window's peak above which a token is marked."""


def density_histogram(summaries: FeatureSummaries) -> dg.MarkdownMetadataValue:
    """A histogram of the log density of the alive features, as a picture."""
    from matplotlib.figure import Figure

    density = summaries.density[summaries.act_times > 0].numpy()
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.hist(np.log10(density), bins=60, color=COLOUR)
    axes.set(xlabel="log10 of the share of tokens on which a feature is active", ylabel="features")
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, f"density of {len(density):,} alive features")


def example_features(
    summaries: FeatureSummaries, contexts: Callable[[list[int]], Iterable[Context]]
) -> dg.TableMetadataValue:
    """Ten alive features, evenly spaced from the rarest to the most frequent, each with its strongest context.

    Args:
        contexts: gives the contexts with these numbers.
    """
    by_density = torch.argsort(summaries.act_times)[summaries.d_sae - summaries.n_alive :]
    places = np.linspace(0, len(by_density) - 1, min(N_EXAMPLES, len(by_density))).round().astype(int)
    strongest = {feature: _strongest(summaries, feature) for feature in by_density[torch.from_numpy(places)].tolist()}
    numbers = {int(samples.context_idx[feature, 0]) for feature, samples in strongest.items() if samples}
    texts = {context.context_idx: context for context in contexts(sorted(numbers))}
    records = [
        dg.TableRecord(
            {
                "index": feature,
                "density": f"{float(summaries.density[feature]):.3%}",
                "contexts": int(summaries.act_contexts[feature]),
                "max": round(float(summaries.max_feature_acts[feature]), 2),
                "mean": round(float(summaries.mean_acts[feature]), 2),
                "strongest context": _marked(texts, samples, feature) if samples else "",
            }
        )
        for feature, samples in strongest.items()
    ]
    return dg.MetadataValue.table(records)


def _strongest(summaries: FeatureSummaries, feature: int) -> FeatureSamples | None:
    """The subsample that begins with the feature's highest peak; None where no sample was asked for."""
    active = [samples for samples in summaries.samples.values() if samples.peak[feature, 0] > 0]
    return max(active, key=lambda samples: float(samples.peak[feature, 0]), default=None)


def _marked(texts: dict[int, Context], samples: FeatureSamples, feature: int) -> str:
    context = texts[int(samples.context_idx[feature, 0])]
    positions, values = samples.active(feature, 0)
    kept = range(int(samples.start[feature, 0]), int(samples.stop[feature, 0]))
    window = example_window(
        context.context_idx,
        context.text,
        context.starts,
        context.stops,
        positions.numpy(),
        values.numpy(),
        kept,
        WINDOW_TOKENS,
    )
    return marked_above(window, MARKED_SHARE)
