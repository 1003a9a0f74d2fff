"""Two checkpoints on the same source, feature by feature."""

from __future__ import annotations

import numpy as np

from sae_assets.analysis.changes import CHANGES, NO_FEATURE
from sae_assets.runners.comparable import comparable, finished_comparison
from sae_assets.settings.errors import NotFoundError, UserError
from sae_assets.store.comparisons import StoredComparison, read_comparison
from sae_assets.store.documents import AnalysisDocument
from sae_assets.web.context import WebContext
from sae_assets.web.cursor import Cursor
from sae_assets.web.models.comparisons import Change, Comparison, FeaturePair, NewComparison
from sae_assets.web.query import PAGE


def comparison(
    context: WebContext, first: str, second: str, change: Change | None = None, cursor: str | None = None
) -> Comparison:
    """A page of what became of the features of the first in the second, or how far computing it is.

    Args:
        first, second: the analyses, each as `series/name/analysis`.
        change: only these.
        cursor: `next` of another page.

    Raises:
        NotFoundError: there is no such analysis.
        UserError: a name cannot be read, or the cursor belongs to another list.
    """
    before, after = _found(context, first), _found(context, second)
    progress = context.inference.comparison_progress(first, second)
    stored = None if progress.state == "running" else read_comparison(context.store, first, second)
    if stored is not None:
        return _page(context, before, after, stored, change, cursor)
    # One that was ready before has been outdated by a new analysis since.
    state = "missing" if progress.state == "ready" else progress.state
    return Comparison(
        first=first,
        second=second,
        state=state,
        progress=None if progress.share is None else min(max(progress.share, 0.0), 1.0),
        message=progress.message,
        n_tokens=None,
        made_at=None,
        counts={},
        items=[],
        total=0,
        next=None,
    )


def begin_comparison(context: WebContext, new: NewComparison) -> Comparison:
    """Begins to compare two analyses, unless that is done or running.

    Raises:
        NotFoundError: there is no such analysis.
        UserError: a name cannot be read, both are the same or on different sources, or too many comparisons wait.
    """
    if new.first == new.second:
        raise UserError("Both analyses are the same; name two.")
    pair = comparable(context.store, new.first, new.second)
    known = comparison(context, new.first, new.second)
    if known.state == "running" or finished_comparison(context.store, pair) is not None:
        return known
    context.inference.compare(new.first, new.second)
    return comparison(context, new.first, new.second)


def _found(context: WebContext, key: str) -> AnalysisDocument:
    parts = key.split("/")
    if len(parts) != 3:
        raise UserError(f"{key!r} names no analysis; write it as series/name/analysis.")
    return context.found(*parts).analysis


def _page(
    context: WebContext,
    before: AnalysisDocument,
    after: AnalysisDocument,
    stored: StoredComparison,
    change: Change | None,
    cursor: str | None,
) -> Comparison:
    changes = stored.changes
    fingerprint = f"{stored.about.columns[:8]}-{change or ''}"
    start = 0 if cursor is None else Cursor.decoded(cursor, fingerprint).index
    places = (
        np.arange(len(changes.change)) if change is None else np.flatnonzero(changes.change == CHANGES.index(change))
    )
    if not 0 <= start <= len(places):
        raise NotFoundError("The list has no such page; leave the cursor out to begin with the first one.")
    stop = start + PAGE
    is_last = stop >= len(places)
    return Comparison(
        first=before.id,
        second=after.id,
        state="ready",
        progress=None,
        message=stored.about.note,
        n_tokens=stored.about.n_tokens,
        made_at=stored.about.made_at,
        counts=stored.counts,
        items=_pairs(context, before, after, stored, places[start:stop].tolist()),
        total=len(places),
        next=None if is_last else Cursor(of=fingerprint, key=0.0, index=stop).encoded(),
    )


def _pairs(
    context: WebContext,
    before: AnalysisDocument,
    after: AnalysisDocument,
    stored: StoredComparison,
    places: list[int],
) -> list[FeaturePair]:
    changes = stored.changes
    sides = [
        (
            context.catalogue.columns(analysis).features.density,
            context.explanations(analysis, [int(column[place]) for place in places if column[place] != NO_FEATURE]),
        )
        for analysis, column in ((before, changes.first), (after, changes.second))
    ]
    pairs = []
    for place in places:
        both = int(changes.first[place]), int(changes.second[place])
        features = [None if index == NO_FEATURE else index for index in both]
        densities, texts = zip(
            *(
                (None, None) if index is None else (float(density[index]), explanations.get(index))
                for index, (density, explanations) in zip(features, sides, strict=True)
            ),
            strict=True,
        )
        pairs.append(
            FeaturePair(
                first=features[0],
                second=features[1],
                change=CHANGES[changes.change[place]],
                decoder_cosine=_known(changes.cosine[place]),
                correlation=_known(changes.correlation[place]),
                first_density=densities[0],
                second_density=densities[1],
                first_explanation=texts[0],
                second_explanation=texts[1],
            )
        )
    return pairs


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else float(value)
