"""A feature with all that is known about it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from sae_assets.analysis.magnitude import HISTOGRAM
from sae_assets.settings.errors import NotFoundError
from sae_assets.store.annotations import annotations_of
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.features import StoredFeature, StoredLogits
from sae_assets.store.lists import BOOKMARKS, lists_of
from sae_assets.store.reading import read_feature
from sae_assets.store.set_documents import FeatureDocument, NeighbourDocument, TokenLogitDocument
from sae_assets.web.context import WebContext
from sae_assets.web.histograms import even_bars
from sae_assets.web.models.base import Bar
from sae_assets.web.models.features import (
    Feature,
    Logits,
    Neighbour,
    Sample,
    Statistics,
    Subsample,
    TokenLogit,
)
from sae_assets.web.operations.explanations import current_explanation, why_not_explained
from sae_assets.web.segments import WINDOW_TOKENS, sample_window, whole_sample


def feature(
    context: WebContext, series: str, name: str, analysis: str, index: int, window: int = WINDOW_TOKENS
) -> Feature:
    """A feature.

    Args:
        window: tokens to show around the peak of each sample.

    Raises:
        NotFoundError: there is no such feature.
    """
    found = context.found_feature(series, name, analysis, index)
    stored = read_feature(context.store, found.sae.id, analysis, index)
    lists = lists_of(context.store, found.sae.id, [index]).get(index, [])
    annotation = annotations_of(context.store, found.sae.id, [index]).get(index)
    return Feature(
        series=series,
        name=name,
        analysis=analysis,
        index=index,
        d_sae=found.analysis.d_sae,
        model_name=found.sae.model_name,
        hook_point=found.sae.hook_point,
        explanation=current_explanation(context, found.analysis, stored.explanation),
        failure=why_not_explained(context, found.analysis, index, stored.explanation),
        statistics=_statistics(stored.statistics),
        histogram=_act_histogram(stored),
        logits=None if stored.logits is None else _logits(stored.logits),
        subsamples=[
            Subsample(name=kind, samples=[sample_window(sample, window) for sample in samples])
            for kind, samples in stored.samples.items()
        ],
        neighbours=_neighbours(context, found.analysis, stored.neighbours),
        coactive=_neighbours(context, found.analysis, stored.coactive),
        is_bookmarked=BOOKMARKS in lists,
        lists=lists,
        tags=annotation.tags if annotation else [],
        note=annotation.note if annotation else "",
    )


def whole_context(context: WebContext, series: str, name: str, analysis: str, index: int, context_idx: int) -> Sample:
    """A sample of a feature with its whole context.

    Raises:
        NotFoundError: there is no such feature, or the context is no sample of it.
    """
    found = context.found_feature(series, name, analysis, index)
    stored = read_feature(context.store, found.sae.id, analysis, index)
    for samples in stored.samples.values():
        for sample in samples:
            if sample.context.context_idx == context_idx:
                return whole_sample(sample)
    raise NotFoundError(f"Context {context_idx} is no sample of feature {index} in {found.analysis.id!r}.")


def _statistics(stored: FeatureDocument) -> Statistics:
    return Statistics(
        act_times=stored.act_times,
        n_analyzed_tokens=stored.n_analyzed_tokens,
        density=stored.density,
        act_contexts=stored.act_contexts,
        max_act=stored.max_act,
        mean_act=stored.mean_act,
        std_act=math.sqrt(max(stored.variance_act, 0.0)),
        decoder_norm=stored.decoder_norm,
        encoder_norm=stored.encoder_norm,
        cosine=stored.cosine,
    )


def _act_histogram(stored: StoredFeature) -> list[Bar]:
    (filled,) = stored.histogram.nonzero()
    if not len(filled):
        return []
    shown = range(int(filled[0]), int(filled[-1]) + 1)
    edges, counts = HISTOGRAM.edges.tolist(), stored.histogram.tolist()
    return [Bar(start=edges[place], stop=edges[place + 1], count=counts[place]) for place in shown]


def _logits(stored: StoredLogits) -> Logits:
    return Logits(
        variant=stored.variant,
        top=_tokens(stored.top),
        bottom=_tokens(stored.bottom),
        mean=stored.mean,
        std=stored.std,
        histogram=even_bars(np.asarray(stored.histogram).tolist(), stored.minimum, stored.maximum),
    )


def _tokens(stored: Iterable[TokenLogitDocument]) -> list[TokenLogit]:
    return [TokenLogit(token_id=token.token_id, text=token.text, logit=token.logit) for token in stored]


def _neighbours(context: WebContext, analysis: AnalysisDocument, stored: list[NeighbourDocument]) -> list[Neighbour]:
    columns = context.catalogue.columns(analysis)
    explanations = context.explanations(analysis, [one.index for one in stored])
    return [
        Neighbour(
            index=one.index,
            similarity=one.cosine,
            explanation=explanations.get(one.index),
            top_tokens=columns.top_tokens(one.index),
        )
        for one in stored
    ]
