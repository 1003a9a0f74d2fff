"""Features in a list: searched, filtered, sorted, paged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sae_assets.settings.errors import NotFoundError, UserError
from sae_assets.store.annotations import annotations_of
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import explanations_of, known_scores
from sae_assets.store.lists import BOOKMARKS, listed_features, lists_of
from sae_assets.web.catalogue import Columns
from sae_assets.web.context import WebContext
from sae_assets.web.cursor import Cursor
from sae_assets.web.explained import ExplainedFeatures
from sae_assets.web.meaning import Meanings
from sae_assets.web.models.features import FeatureItem, FeaturePage
from sae_assets.web.ordering import Ordering
from sae_assets.web.query import PAGE, FeatureQuery
from sae_assets.web.selection import Marks, selected


class Neighbourhood(NamedTuple):
    """The features before and after one in a list."""

    previous: int | None
    """The one before; None for the first."""
    next: int | None
    """The one after; None for the last."""


class _Found(NamedTuple):
    """A list of features and what it was made from."""

    analysis: AnalysisDocument
    columns: Columns
    meanings: Meanings | None
    ordering: Ordering


def feature_page(context: WebContext, series: str, name: str, analysis: str, query: FeatureQuery) -> FeaturePage:
    """A page of the features that the query means.

    Raises:
        NotFoundError: there is no such analysis.
        UserError: the cursor belongs to another list, or search by meaning is not to be had.
    """
    found = _find(context, series, name, analysis, query)
    cursor = None if query.cursor is None else Cursor.decoded(query.cursor, query.fingerprint)
    ordering = found.ordering
    if cursor is None:
        page = ordering.first(PAGE)
    elif cursor.is_backward:
        page = ordering.before(cursor.key, cursor.index, PAGE)
    else:
        page = ordering.after(cursor.key, cursor.index, PAGE)
    indices = page.tolist()
    start = _n_before(ordering, indices)
    return FeaturePage(
        items=_items(context, found, indices),
        total=len(ordering),
        start=start,
        n_pending=found.meanings.n_pending if found.meanings is not None else 0,
        message=found.meanings.problem if found.meanings is not None else None,
        next=_cursor(query, ordering, indices[-1]) if start + len(indices) < len(ordering) and indices else None,
        previous=_cursor(query, ordering, indices[0], is_backward=True) if start > 0 and indices else None,
    )


def random_feature(context: WebContext, series: str, name: str, analysis: str, query: FeatureQuery) -> int:
    """A feature of the list, each as likely as the others; an alive one where the query does not say which.

    Raises:
        NotFoundError: there is no such analysis, or the list is empty.
    """
    if query == FeatureQuery():
        query = FeatureQuery(state="alive")
    indices = _find(context, series, name, analysis, query).ordering.indices
    if not len(indices):
        raise NotFoundError("No feature fits, so none can be drawn.")
    return int(random.choice(indices))


def neighbours_in_list(
    context: WebContext, series: str, name: str, analysis: str, index: int, query: FeatureQuery | None
) -> Neighbourhood:
    """What comes before and after a feature in the list; by index where it is not in the list, or none is given."""
    d_sae = context.found_feature(series, name, analysis, index).analysis.d_sae
    if query is not None:
        ordering = _find(context, series, name, analysis, query).ordering
        key = ordering.key_of(index)
        if key is not None:
            return Neighbourhood(_only(ordering.before(key, index, 1)), _only(ordering.after(key, index, 1)))
    return Neighbourhood(index - 1 if index > 0 else None, index + 1 if index + 1 < d_sae else None)


def _find(context: WebContext, series: str, name: str, analysis: str, query: FeatureQuery) -> _Found:
    found = context.found(series, name, analysis).analysis
    columns = context.catalogue.columns(found)
    if query.needs_explanations:
        explained = context.catalogue.explained(found)
    else:  # reading those of all features takes seconds, once; a search will not have to wait for it
        explained = ExplainedFeatures(found.d_sae)
        context.catalogue.prepare_explained(found)
    meanings = None if query.meaning is None else _meanings(context, found, explained, query.meaning)
    cosines = None if meanings is None else meanings.cosines
    ordering = selected(columns, explained, query, _marks(context, found.sae, query), cosines)
    return _Found(found, columns, meanings, ordering)


def _marks(context: WebContext, sae_id: str, query: FeatureQuery) -> Marks:
    notes = annotations_of(context.store, sae_id) if query.annotated is not None or query.tag is not None else {}
    return Marks(
        bookmarked=_listed(context, sae_id, BOOKMARKS if query.bookmarked is not None else None),
        listed=_listed(context, sae_id, query.list),
        annotated=frozenset(notes),
        tagged=frozenset(index for index, note in notes.items() if query.tag in note.tags),
    )


def _listed(context: WebContext, sae_id: str, name: str | None) -> frozenset[int]:
    return frozenset() if name is None else frozenset(listed_features(context.store, name, sae_id))


def _meanings(context: WebContext, analysis: AnalysisDocument, explained: ExplainedFeatures, meaning: str) -> Meanings:
    if context.meaning is None:
        raise UserError(
            "Search by meaning needs an embedding model; start `sae-assets serve` with SAE_ASSETS_EMBEDDING_MODEL set."
        )
    return context.meaning.rank(analysis.id, explained.texts, meaning)


def _items(context: WebContext, found: _Found, indices: Sequence[int]) -> list[FeatureItem]:
    columns, sae, name = found.columns, found.analysis.sae, found.analysis.name
    explanations = {one.index: one for one in explanations_of(context.store, sae, name, indices)}
    lists = lists_of(context.store, sae, indices)
    annotations = annotations_of(context.store, sae, indices)
    items = []
    for index in indices:
        annotation, explanation = annotations.get(index), explanations.get(index)
        items.append(
            FeatureItem(
                index=index,
                density=float(columns.features.density[index]),
                max_act=float(columns.features.max_act[index]),
                mean_act=float(columns.features.mean_act[index]),
                is_dead=bool(columns.features.act_times[index] == 0),
                explanation=explanation.text if explanation else None,
                scores=known_scores(explanation) if explanation else {},
                top_tokens=columns.top_tokens(index),
                is_bookmarked=BOOKMARKS in lists.get(index, []),
                tags=annotation.tags if annotation else [],
                has_note=annotation is not None and annotation.note != "",
                similarity=_similarity(found.meanings, index),
            )
        )
    return items


def _similarity(meanings: Meanings | None, index: int) -> float | None:
    if meanings is None or np.isnan(meanings.cosines[index]):
        return None
    return float(meanings.cosines[index])


def _n_before(ordering: Ordering, page: Sequence[int]) -> int:
    key = ordering.key_of(page[0]) if page else None
    return len(ordering) if key is None else ordering.n_before(key, page[0])


def _cursor(query: FeatureQuery, ordering: Ordering, index: int, *, is_backward: bool = False) -> str:
    key = ordering.key_of(index)
    assert key is not None, "a page holds features of its list"
    return Cursor(of=query.fingerprint, key=key, index=index, is_backward=is_backward).encoded()


def _only(indices: np.ndarray) -> int | None:
    return int(indices[0]) if len(indices) else None
