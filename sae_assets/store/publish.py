"""From an analysis to the documents that readers see: complete, at once, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from torch import Tensor

from sae_assets.activations.context import Context
from sae_assets.analysis.geometry import DictionaryGeometry
from sae_assets.analysis.logits import FeatureLogits
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.errors import UserError
from sae_assets.store.bulk import insert_in_bulk
from sae_assets.store.connection import Store, readable
from sae_assets.store.contexts import save_contexts
from sae_assets.store.documents import AnalysisDocument, Document, SAEDocument, now
from sae_assets.store.lookup import find_analysis
from sae_assets.store.packing import (
    packed_feature_columns,
    packed_histogram,
    packed_logit_columns,
    packed_subsamples,
)
from sae_assets.store.queries import where
from sae_assets.store.set_documents import (
    FeatureDocument,
    LogitsDocument,
    NeighbourDocument,
    SamplesDocument,
    TokenLogitDocument,
)
from sae_assets.store.sets import new_set, publish


@dataclass(frozen=True)
class AnalysisRecord:
    """What an analysis is called and made from."""

    name: str
    """Its name: "default"."""
    source: str
    """Fingerprint of the activation source that `context_idx` counts in."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, without secrets."""


@dataclass(frozen=True)
class PublishedSet:
    """What now counts."""

    analysis: str
    """`series/name/analysis`."""
    set_id: str
    """Id of the documents that were written."""
    n_features: int
    """Features, each with its documents."""
    published_at: datetime
    """Since when."""


@readable
def publish_analysis(
    store: Store,
    sae: SAEDocument,
    analysis: AnalysisRecord,
    summaries: FeatureSummaries,
    geometry: DictionaryGeometry,
    contexts: Iterable[Context],
    progress: Progress = silent,
) -> PublishedSet:
    """Writes statistics, samples and contexts of all features, then lets them replace those of the last run.

    Logits that were published before stay where the SAE is the same, and go where it is another one. Explanations and
    bookmarks are not touched.

    Args:
        contexts: those of `summaries.sampled_contexts`; the ones that are stored already are not written again.
        progress: told how many features are written.

    Raises:
        UserError: MongoDB does not answer, or another run published the same analysis meanwhile.
        ValueError: a sampled context is not among `contexts`.
    """
    _save_sae(store, sae)
    blank = AnalysisDocument(id=f"{sae.id}/{analysis.name}", sae=sae.id, name=analysis.name)
    with new_set(store, blank, "features") as set_id:
        missing = set(summaries.sampled_contexts) - save_contexts(store, analysis.source, contexts)
        if missing:
            raise ValueError(f"{len(missing)} sampled contexts are not given, among them {min(missing)}")
        _write_features(store, set_id, summaries, geometry, progress)

        def published(before: AnalysisDocument) -> AnalysisDocument:
            is_same_sae = before.identity == sae.identity
            return before.model_copy(
                update={
                    "features_id": set_id,
                    "logits_id": before.logits_id if is_same_sae else None,
                    "logits_variant": before.logits_variant if is_same_sae else None,
                    "logits_published_at": before.logits_published_at if is_same_sae else None,
                    "identity": sae.identity,
                    "source": analysis.source,
                    "subsamples": list(summaries.samples),
                    "settings": analysis.settings,
                    "n_analyzed_tokens": summaries.n_analyzed_tokens,
                    "n_alive": summaries.n_alive,
                    "d_sae": summaries.d_sae,
                    "l0": summaries.l0,
                    "published_at": now(),
                }
            )

        after = publish(store, blank.id, set_id, summaries.d_sae, published)
    return PublishedSet(after.id, set_id, summaries.d_sae, after.published_at or now())


@readable
def publish_logits(
    store: Store,
    sae_id: str,
    analysis: str,
    logits: FeatureLogits,
    token_text: Callable[[int], str],
    progress: Progress = silent,
) -> PublishedSet:
    """Writes the logits of all features, then lets them replace those of the last run.

    Args:
        token_text: the text of a token id; asked once for each token.
        progress: told how many features are written.

    Raises:
        UserError: MongoDB does not answer, the SAE or the analysis is unknown, its features are not as many, or another
            run published logits of the same analysis meanwhile.
    """
    found = find_analysis(store, sae_id, analysis=analysis).analysis
    n_features = len(logits.mean)
    with new_set(store, found, "logits") as set_id:
        text = cache(token_text)
        _write_columns(store, "logit_columns", packed_logit_columns(set_id, logits, text))
        _write_in_bulk(store, "logits", _logits(set_id, logits, text), n_features, progress)

        def published(before: AnalysisDocument) -> AnalysisDocument:
            if before.d_sae != n_features:
                raise UserError(
                    f"The logits of {n_features} features do not belong to {before.id!r}, which has {before.d_sae}."
                )
            new = {"logits_id": set_id, "logits_variant": logits.variant, "logits_published_at": now()}
            return before.model_copy(update=new)

        after = publish(store, found.id, set_id, n_features, published)
    return PublishedSet(after.id, set_id, n_features, after.logits_published_at or now())


def _save_sae(store: Store, sae: SAEDocument) -> None:
    new = {**sae.to_mongo(), "updated_at": now()}
    first = {"created_at": new.pop("created_at")}
    store["saes"].update_one(where(_id=new.pop("_id")).filter, {"$set": new, "$setOnInsert": first}, upsert=True)


def _write_features(
    store: Store, set_id: str, summaries: FeatureSummaries, geometry: DictionaryGeometry, progress: Progress
) -> None:
    total = summaries.d_sae
    _write_columns(store, "feature_columns", packed_feature_columns(set_id, summaries))
    features = (one.to_mongo() for one in _features(set_id, summaries, geometry))
    _write_in_bulk(store, "features", features, total, silent)
    _write_in_bulk(store, "samples", _samples(_features(set_id, summaries, geometry), summaries), total, progress)


def _write_columns(store: Store, collection: str, blocks: Iterable[Document]) -> None:
    for block in blocks:
        store[collection].insert_one(block.to_mongo())


def _write_in_bulk(
    store: Store, collection: str, documents: Iterable[dict[str, Any]], total: int, progress: Progress
) -> None:
    done = 0
    progress(Step("documents", done, total, "features"))
    for n_written in insert_in_bulk(store[collection], documents):
        done += n_written
        progress(Step("documents", done, total, "features"))


def _features(set_id: str, summaries: FeatureSummaries, geometry: DictionaryGeometry) -> Iterator[FeatureDocument]:
    columns = {
        "act_times": summaries.act_times,
        "density": summaries.density,
        "act_contexts": summaries.act_contexts,
        "max_act": summaries.max_feature_acts,
        "mean_act": summaries.mean_acts,
        "variance_act": summaries.variance_acts,
        "decoder_norm": geometry.decoder_norm,
        "encoder_norm": geometry.encoder_norm,
        "cosine": geometry.cosine,
    }
    for index, values in enumerate(_rows(columns)):
        yield FeatureDocument(
            analysis=set_id,
            index=index,
            n_analyzed_tokens=summaries.n_analyzed_tokens,
            histogram=packed_histogram(summaries.histogram[index]),
            neighbours=_neighbours(geometry.neighbour_idx[index], geometry.neighbour_cosine[index]),
            coactive=_neighbours(summaries.coactive_idx[index], summaries.coactive_cosine[index]),
            **values,
        )


def _neighbours(idx: Tensor, cosine: Tensor) -> list[NeighbourDocument]:
    found = zip(idx.tolist(), cosine.tolist(), strict=True)
    return [NeighbourDocument(index=neighbour, cosine=value) for neighbour, value in found if neighbour >= 0]


def _samples(features: Iterator[FeatureDocument], summaries: FeatureSummaries) -> Iterator[dict[str, Any]]:
    columns = [packed_subsamples(name, samples) for name, samples in summaries.samples.items()]
    for feature in features:
        subsamples = [next(column) for column in columns]
        yield SamplesDocument(
            analysis=feature.analysis, index=feature.index, statistics=feature, subsamples=subsamples
        ).to_mongo()


def _logits(set_id: str, logits: FeatureLogits, token_text: Callable[[int], str]) -> Iterator[dict[str, Any]]:
    def tokens(ids: Tensor, values: Tensor) -> list[TokenLogitDocument]:
        return [
            TokenLogitDocument(token_id=token_id, text=token_text(token_id), logit=logit)
            for token_id, logit in zip(ids.tolist(), values.tolist(), strict=True)
        ]

    columns = {name: getattr(logits, name) for name in ("mean", "std", "minimum", "maximum")}
    for index, values in enumerate(_rows(columns)):
        yield LogitsDocument(
            table=set_id,
            index=index,
            variant=logits.variant,
            top=tokens(logits.top_tokens[index], logits.top_logits[index]),
            bottom=tokens(logits.bottom_tokens[index], logits.bottom_logits[index]),
            histogram=logits.histogram[index].numpy().astype("<i8", copy=False).tobytes(),
            **values,
        ).to_mongo()


def _rows(columns: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
    """The values of each feature in turn, by column."""
    lists = [column.tolist() for column in columns.values()]
    for values in zip(*lists, strict=True):
        yield dict(zip(columns, values, strict=True))
