"""What an analysis finds out about every feature: statistics and samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from sae_assets.analysis.samples import NO_CONTEXT, FeatureSamples


@dataclass(frozen=True)
class FeatureSummaries:
    """Statistics and samples of all features of one SAE over the analysed tokens. All tensors are on the CPU."""

    n_analyzed_tokens: int
    """Tokens analysed; padding and ignored tokens are not among them."""
    n_analyzed_contexts: int
    """Contexts with at least one analysed token."""
    act_times: Int64[Tensor, "feature"]
    """Tokens on which the feature is above 0."""
    act_contexts: Int64[Tensor, "feature"]
    """Contexts on which the feature is above 0 at some token."""
    max_feature_acts: Float32[Tensor, "feature"]
    """Largest activation; 0 for a dead feature."""
    mean_acts: Float64[Tensor, "feature"]
    """Mean of the values above 0; 0 for a dead feature."""
    variance_acts: Float64[Tensor, "feature"]
    """Population variance of the values above 0; 0 for a dead feature."""
    histogram: Int64[Tensor, "feature bin"]
    """Values above 0 by size, 8 bins an octave; the edges are `magnitude.HISTOGRAM.edges`."""
    coactive_idx: Int64[Tensor, "feature neighbour"]
    """The features most active on the same of some reference tokens, ties to the smaller index; -1 where there are
    fewer, as for features too rare to be active on these. See `coactive_features` and `ReferenceTokens`."""
    coactive_cosine: Float32[Tensor, "feature neighbour"]
    """Cosines of the two activities as 0s and 1s, descending; 0 where there is none."""
    samples: dict[str, FeatureSamples]
    """Sample contexts by the name of their subsample."""

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return len(self.act_times)

    @property
    def density(self) -> Float64[Tensor, "feature"]:
        """Share of the analysed tokens on which the feature is above 0."""
        return self.act_times.double() / max(self.n_analyzed_tokens, 1)

    @property
    def sampled_contexts(self) -> list[int]:
        """Numbers of the contexts that some sample lies in, ascending, each once."""
        numbers = torch.cat([self.act_times[:0], *(part.context_idx.flatten() for part in self.samples.values())])
        return numbers[numbers != NO_CONTEXT].unique().tolist()

    @property
    def n_alive(self) -> int:
        """Features that activate on some analysed token."""
        return int((self.act_times > 0).sum())

    @property
    def l0(self) -> float:
        """Mean number of active features a token."""
        return int(self.act_times.sum()) / max(self.n_analyzed_tokens, 1)
