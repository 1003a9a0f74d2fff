"""Reading features. All that is given out is of one set, whatever is published in the meantime."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sae_assets.settings.errors import UserError
from sae_assets.store.connection import Store, readable
from sae_assets.store.contexts import contexts_by_idx
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.features import StoredFeature, StoredLogits, StoredSample
from sae_assets.store.kept_documents import ExplanationDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.store.queries import where
from sae_assets.store.set_documents import LogitsDocument, SamplesDocument
from sae_assets.store.unpacking import unpacked_samples

FEATURES_AT_A_TIME = 64
"""Features whose documents are fetched together; about 1 MB of samples and a few MB of contexts."""


class _ReplacedError(Exception):
    """The set that was being read has been replaced and deleted."""


@readable
def read_feature(store: Store, sae_id: str, analysis: str, index: int) -> StoredFeature:
    """A feature with its samples, logits and explanation, in at most five round trips.

    Raises:
        UserError: the SAE or analysis is unknown, or has no feature of this index.
    """
    return next(_features(store, sae_id, analysis, [index], alive_only=False))


def read_features(
    store: Store, sae_id: str, analysis: str, indices: Iterable[int] | None = None, *, alive_only: bool = True
) -> Iterator[StoredFeature]:
    """The features with these indices in their order, or all by index.

    Args:
        alive_only: leave out those that never activated.

    Raises:
        UserError: the SAE or analysis is unknown, an index is out of range, or another run replaced the analysis after
            the first features were given out.
    """
    with store.readable_errors():
        yield from _features(store, sae_id, analysis, indices, alive_only=alive_only)


def _features(
    store: Store, sae_id: str, analysis: str, indices: Iterable[int] | None, *, alive_only: bool
) -> Iterator[StoredFeature]:
    found = _analysis(store, sae_id, analysis)
    wanted = iter(range(found.d_sae) if indices is None else indices)
    is_first = True
    while batch := list(islice(wanted, FEATURES_AT_A_TIME)):
        _refuse_out_of_range(found, batch)
        try:
            features = _fetch(store, found, batch, alive_only=alive_only)
        except _ReplacedError:
            if not is_first:
                raise UserError(f"Another run replaced {found.id!r} while it was being read; start again.") from None
            found = _analysis(store, sae_id, analysis)
            _refuse_out_of_range(found, batch)
            try:
                features = _fetch(store, found, batch, alive_only=alive_only)
            except _ReplacedError:
                raise UserError(f"Features of {found.id!r} are missing; run the analysis again.") from None
        is_first = False
        yield from features


def _analysis(store: Store, sae_id: str, analysis: str) -> AnalysisDocument:
    stored = store["analyses"].find_one(where(_id=f"{sae_id}/{analysis}").filter)
    if stored is None or stored["features_id"] is None:
        return find_analysis(store, sae_id, analysis=analysis).analysis  # which says what is nearest
    return AnalysisDocument.of(stored)


def _refuse_out_of_range(analysis: AnalysisDocument, indices: Iterable[int]) -> None:
    for index in indices:
        if not 0 <= index < analysis.d_sae:
            raise UserError(f"There is no feature {index} in {analysis.id!r}; they go from 0 to {analysis.d_sae - 1}.")


def _fetch(
    store: Store, analysis: AnalysisDocument, indices: Sequence[int], *, alive_only: bool
) -> list[StoredFeature]:
    features_id = analysis.features_id or ""
    wanted = where(analysis=features_id).among("index", indices)
    found = map(SamplesDocument.of, store["samples"].find(wanted.filter))
    samples = {one.index: one for one in found}
    if any(index not in samples for index in indices):
        raise _ReplacedError
    shown = [index for index in indices if samples[index].statistics.act_times > 0 or not alive_only]
    logits = _logits(store, analysis.logits_id, shown)
    explanations = _explanations(store, analysis, shown)
    subsamples = {
        index: {subsample.name: unpacked_samples(subsample) for subsample in samples[index].subsamples}
        for index in shown
    }
    context_idx = {one.context_idx for groups in subsamples.values() for group in groups.values() for one in group}
    contexts = contexts_by_idx(store, analysis.source or "", context_idx)
    return [
        StoredFeature(
            index,
            samples[index].statistics,
            {
                name: [StoredSample.of(sample, contexts[sample.context_idx]) for sample in group]
                for name, group in subsamples[index].items()
            },
            logits.get(index),
            explanations.get(index),
        )
        for index in shown
    ]


def _logits(store: Store, table: str | None, indices: Sequence[int]) -> dict[int, StoredLogits]:
    if table is None:
        return {}
    wanted = where(table=table).among("index", indices)
    found = map(LogitsDocument.of, store["logits"].find(wanted.filter))
    logits = {one.index: StoredLogits.of(one) for one in found}
    if any(index not in logits for index in indices):
        raise _ReplacedError
    return logits


def _explanations(store: Store, analysis: AnalysisDocument, indices: Sequence[int]) -> dict[int, ExplanationDocument]:
    wanted = where(sae=analysis.sae, analysis=analysis.name).among("index", indices)
    found = map(ExplanationDocument.of, store["explanations"].find(wanted.filter))
    return {one.index: one for one in found}
