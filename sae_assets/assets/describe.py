"""What a person wants to see of an analysis in the Dagster UI: a picture of the densities and a table of examples."""

import base64
import io

import dagster as dg
import numpy as np
import torch

from sae_assets.analysis.summaries import FeatureSummaries

N_EXAMPLES = 10


def density_histogram(summaries: FeatureSummaries) -> dg.MarkdownMetadataValue:
    """A histogram of the log density of the alive features, as a picture."""
    from matplotlib.figure import Figure

    density = summaries.density[summaries.act_times > 0].numpy()
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.hist(np.log10(density), bins=60, color="#4c78a8")
    axes.set(xlabel="log10 of the share of tokens on which a feature is active", ylabel="features")
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    encoded = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![density of {len(density):,} alive features](data:image/png;base64,{encoded})")


def example_features(summaries: FeatureSummaries) -> dg.TableMetadataValue:
    """Ten alive features, evenly spaced from the rarest to the most frequent."""
    by_density = torch.argsort(summaries.act_times)[summaries.d_sae - summaries.n_alive :]
    places = np.linspace(0, len(by_density) - 1, min(N_EXAMPLES, len(by_density))).round().astype(int)
    records = [
        dg.TableRecord(
            {
                "index": feature,
                "density": float(summaries.density[feature]),
                "contexts": int(summaries.act_contexts[feature]),
                "max": float(summaries.max_feature_acts[feature]),
                "mean": float(summaries.mean_acts[feature]),
            }
        )
        for feature in by_density[torch.from_numpy(places)].tolist()
    ]
    return dg.MetadataValue.table(records)
