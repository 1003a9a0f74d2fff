"""The columns of the Parquet export, with what each means; `docs/exports.md` shows the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.store.explanations import known_scores
from sae_assets.store.features import StoredFeature, StoredLogits, StoredSample

SCORE = "score_"
"""What the name of a scorer's column begins with."""
_BARS = pa.list_(pa.struct([("start", pa.float64()), ("stop", pa.float64()), ("count", pa.int64())]))
_IDS, _TEXTS, _VALUES = pa.list_(pa.int32()), pa.list_(pa.string()), pa.list_(pa.float32())


def _column(name: str, kind: pa.DataType, meaning: str) -> pa.Field:
    return pa.field(name, kind, metadata={"description": meaning})


INDEX = _column("index", pa.int64(), "the feature")
STATISTICS = [
    INDEX,
    _column("act_times", pa.int64(), "tokens on which it is above 0"),
    _column("act_contexts", pa.int64(), "contexts on which it is above 0 at some token"),
    _column("density", pa.float64(), "share of the analysed tokens on which it is above 0"),
    _column("max_act", pa.float64(), "largest activation; 0 for a dead feature"),
    _column("mean_act", pa.float64(), "mean of the values above 0"),
    _column("variance_act", pa.float64(), "population variance of the values above 0"),
    _column("histogram", _BARS, "values above 0 by size: the bins that are not empty, [start, stop) and count"),
    _column("decoder_norm", pa.float64(), "length of its decoder"),
    _column("encoder_norm", pa.float64(), "length of its encoder"),
    _column("cosine", pa.float64(), "cosine of its encoder and its decoder"),
]
EXPLANATION = [
    _column("explanation", pa.string(), "the feature in words; null where nobody has explained it"),
    _column("explainer", pa.string(), "form of the prompt; null where a person wrote"),
    _column("explained_by", pa.string(), "the model that explained; null where a person did"),
]
LOGITS = [
    _column("logits_variant", pa.string(), 'how logits were attributed, "norm" or "raw"; null, as all below, without'),
    _column("top_tokens", _IDS, "ids of the output tokens that it promotes most, most first"),
    _column("top_texts", _TEXTS, "the same as text"),
    _column("top_logits", _VALUES, "what it adds to the logit of each"),
    _column("bottom_tokens", _IDS, "ids of the output tokens that it suppresses most, most first"),
    _column("bottom_texts", _TEXTS, "the same as text"),
    _column("bottom_logits", _VALUES, "what it adds to the logit of each"),
    _column("logits_mean", pa.float64(), "mean over the vocabulary"),
    _column("logits_std", pa.float64(), "standard deviation over the vocabulary"),
    _column("logits_histogram", _BARS, "tokens of the vocabulary by logit"),
]
SAMPLES = pa.schema(
    [
        INDEX,
        _column("subsample", pa.string(), '"top_activations", a magnitude band, or "non_activating"'),
        _column("rank", pa.int64(), "place in the subsample, from 0, strongest first"),
        _column("context_idx", pa.int64(), "which context of the activation source"),
        _column("dataset", pa.string(), "dataset of its first document"),
        _column("document_idx", pa.int64(), "place of that document in the dataset"),
        _column("peak", pa.float32(), "largest activation in the whole context; 0 for a silent one"),
        _column("start", pa.int64(), "first position of the window that is kept"),
        _column("text", pa.string(), "the window's characters"),
        _column("tokens", _IDS, "token ids of the window"),
        _column("token_texts", _TEXTS, "each token's characters; tokens that share a character all have it"),
        _column("activations", _VALUES, "the feature's activation at each token"),
    ]
)
NEIGHBOURS = pa.schema(
    [
        INDEX,
        _column("kind", pa.string(), '"decoder": cosine of the decoders; "coactive": of what both are active on'),
        _column("rank", pa.int64(), "0 for the nearest"),
        _column("neighbour", pa.int64(), "the other feature"),
        _column("cosine", pa.float64(), "how near it is"),
    ]
)


def features_schema(scorers: Sequence[str]) -> pa.Schema:
    """The columns of `features.parquet`, one of them for each scorer of the explanations."""
    scores = [
        _column(SCORE + scorer, pa.float64(), "score of the explanation by this scorer; null without")
        for scorer in scorers
    ]
    return pa.schema([*STATISTICS, *EXPLANATION, *scores, *LOGITS])


def feature_row(feature: StoredFeature, scorers: Sequence[str]) -> dict[str, Any]:
    """A feature's values, by column."""
    statistics, explanation = feature.statistics, feature.explanation
    scores = {} if explanation is None else known_scores(explanation)
    return {
        **{field.name: getattr(statistics, field.name) for field in STATISTICS},
        "histogram": _bars(HISTOGRAM.edges, feature.histogram, only_filled=True),
        "explanation": None if explanation is None else explanation.text,
        "explainer": None if explanation is None else explanation.explainer,
        "explained_by": None if explanation is None else explanation.model,
        **{SCORE + scorer: scores.get(scorer) for scorer in scorers},
        **({} if feature.logits is None else _logits(feature.logits)),
    }


def sample_rows(feature: StoredFeature) -> Iterator[dict[str, Any]]:
    """The values of each sample context of a feature, by column."""
    for subsample, samples in feature.samples.items():
        for rank, sample in enumerate(samples):
            yield {"index": feature.index, "subsample": subsample, "rank": rank, **_sample(sample)}


def neighbour_rows(feature: StoredFeature) -> Iterator[dict[str, Any]]:
    """The values of each neighbour of a feature, by column."""
    decoder = (("decoder", rank, one) for rank, one in enumerate(feature.neighbours))
    coactive = (("coactive", rank, one) for rank, one in enumerate(feature.coactive))
    for kind, rank, one in chain(decoder, coactive):
        yield {"index": feature.index, "kind": kind, "rank": rank, "neighbour": one.index, "cosine": one.cosine}


def _logits(logits: StoredLogits) -> dict[str, Any]:
    edges = np.linspace(logits.minimum, logits.maximum, len(logits.histogram) + 1)
    sides = {
        f"{side}_{what}": [getattr(token, field) for token in tokens]
        for side, tokens in (("top", logits.top), ("bottom", logits.bottom))
        for what, field in (("tokens", "token_id"), ("texts", "text"), ("logits", "logit"))
    }
    return {
        "logits_variant": logits.variant,
        **sides,
        "logits_mean": logits.mean,
        "logits_std": logits.std,
        "logits_histogram": _bars(edges, logits.histogram),
    }


def _sample(sample: StoredSample) -> dict[str, Any]:
    context, kept = sample.context, slice(sample.start, sample.stop)
    starts, stops = context.starts[kept], context.stops[kept]
    activations = np.zeros(sample.stop - sample.start, np.float32)
    activations[sample.positions - sample.start] = sample.values
    has_text = stops > starts
    first, last = starts[has_text].min(initial=len(context.text)), stops[has_text].max(initial=0)
    return {
        "context_idx": context.context_idx,
        "dataset": context.dataset,
        "document_idx": context.document_idx,
        "peak": sample.peak,
        "start": sample.start,
        "text": context.text[first:last],
        "tokens": context.tokens[kept],
        "token_texts": [context.text[start:stop] for start, stop in zip(starts, stops, strict=True)],
        "activations": activations,
    }


def _bars(edges: np.ndarray, counts: np.ndarray, *, only_filled: bool = False) -> list[dict[str, Any]]:
    places = counts.nonzero()[0] if only_filled else np.arange(len(counts))
    return [
        {"start": float(edges[place]), "stop": float(edges[place + 1]), "count": int(counts[place])} for place in places
    ]
