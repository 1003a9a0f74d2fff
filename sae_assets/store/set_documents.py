"""The documents of an analysis' features, and the contexts that they point to. Arrays are bytes, little-endian."""

from __future__ import annotations

from pydantic import Field

from sae_assets.store.documents import Document


class NeighbourDocument(Document):
    """A feature that is near."""

    index: int
    """Which feature."""
    cosine: float
    """Cosine of the two decoders, or of what the two are active on; see `FeatureSummaries.coactive_cosine`."""


class FeatureDocument(Document):
    """`features`: the statistics of a feature; small, for lists and filters."""

    analysis: str
    """The set: `features_id` of its analysis."""
    index: int
    """Which feature."""
    act_times: int
    """Tokens on which it is above 0."""
    n_analyzed_tokens: int
    """Tokens analysed."""
    density: float
    """Share of the analysed tokens on which it is above 0."""
    act_contexts: int
    """Contexts on which it is above 0 at some token."""
    max_act: float
    """Largest activation."""
    mean_act: float
    """Mean of the values above 0."""
    variance_act: float
    """Population variance of the values above 0."""
    histogram: bytes
    """Values above 0 by size: (bin uint16, count int64) of the bins of `magnitude.HISTOGRAM` that are not empty."""
    decoder_norm: float
    """Length of its decoder."""
    encoder_norm: float
    """Length of its encoder."""
    cosine: float
    """Cosine of its encoder and its decoder."""
    neighbours: list[NeighbourDocument]
    """The nearest other features by the cosine of their decoders, nearest first."""
    coactive: list[NeighbourDocument] = Field(default=[])
    """The features most often active on the same tokens, most first."""


FEATURES_OF_A_BLOCK = 1 << 16
"""Features whose columns lie in one document; a few MB, where MongoDB takes 16."""


class FeatureColumnsDocument(Document):
    """`feature_columns`: a few statistics of a block of features as arrays, little-endian: what lists are made of."""

    analysis: str
    """The set, the same as in `features`."""
    first: int
    """The block's first feature."""
    n_features: int
    """How many features it has; the last block has fewer than the others."""
    act_times: bytes
    """int64, for each feature: tokens on which it is above 0."""
    act_contexts: bytes
    """int64, for each feature: contexts on which it is above 0 at some token."""
    max_act: bytes
    """float32, for each feature: largest activation."""
    mean_act: bytes
    """float64, for each feature: mean of the values above 0."""


class SubsampleDocument(Document):
    """The sample contexts of one subsample of a feature; every array little-endian."""

    name: str
    """Name of the subsample."""
    context_idx: bytes
    """int64, for each sample: which context of the source."""
    peak: bytes
    """float32, for each sample: largest activation in the context."""
    start: bytes
    """int32, for each sample: first position of its window."""
    stop: bytes
    """int32, for each sample: position after the window's last."""
    n_active: bytes
    """int32, for each sample: how many tokens are active."""
    positions: bytes
    """For each active token of all samples its position: uint16, or uint32 where the contexts are longer."""
    values: bytes
    """float32, for each active token: its activation."""


class SamplesDocument(Document):
    """`samples`: all of a feature, the heavy part with it, so that it is read at once."""

    analysis: str
    """The set, the same as in `features`."""
    index: int
    """Which feature."""
    statistics: FeatureDocument
    """The same as in `features`."""
    subsamples: list[SubsampleDocument]
    """Its subsamples, in the order of the settings."""


class ContextDocument(Document):
    """`contexts`: a context that is some feature's sample; each once, never changed."""

    source: str
    """Fingerprint of the activation source."""
    context_idx: int
    """Its number in the source."""
    dataset: str
    """Name of the source of its first document."""
    document_idx: int
    """Place of its first document in that dataset."""
    text: str
    """The characters that its tokens stand for."""
    tokens: bytes
    """int32: token ids."""
    starts: bytes
    """int32: first character of each token."""
    stops: bytes
    """int32: character after the last of each token."""
    mask: bytes
    """One byte a token: 1 where it counts."""


class TokenLogitDocument(Document):
    """An output token and its logit."""

    token_id: int
    """The token's id."""
    text: str
    """The token as text."""
    logit: float
    """What the feature adds to its logit."""


class LogitsDocument(Document):
    """`logits`: the output tokens that a feature promotes and suppresses."""

    table: str
    """The set: `logits_id` of its analysis."""
    index: int
    """Which feature."""
    variant: str
    """How logits were attributed: "norm" or "raw"."""
    top: list[TokenLogitDocument]
    """The most promoted tokens, most first."""
    bottom: list[TokenLogitDocument]
    """The most suppressed tokens, most first."""
    mean: float
    """Mean over all tokens."""
    std: float
    """Standard deviation over all tokens."""
    minimum: float
    """Smallest logit."""
    maximum: float
    """Largest logit."""
    histogram: bytes
    """int64: logits of all tokens in equal bins from `minimum` to `maximum`."""


class LogitColumnsDocument(Document):
    """`logit_columns`: the most promoted tokens of a block of features as arrays, little-endian."""

    table: str
    """The set, the same as in `logits`."""
    first: int
    """The block's first feature."""
    n_features: int
    """How many features it has; the last block has fewer than the others."""
    k: int
    """Tokens of each feature, most promoted first."""
    top_tokens: bytes
    """int32, for each feature its `k` token ids."""
    maximum: bytes
    """float32, for each feature: its largest logit."""
    token_ids: bytes
    """int32: the tokens that are named in this block, each once."""
    texts: list[str]
    """The text of each of these."""
