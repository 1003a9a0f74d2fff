"""Which features a query means, in which order: masks and keys over columns, nothing is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import contains

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from sae_assets.web.catalogue import Columns, PromotedTokens
from sae_assets.web.explained import ExplainedFeatures
from sae_assets.web.ordering import Ordering
from sae_assets.web.query import FeatureQuery

Mask = Bool[np.ndarray, "feature"]
Keys = Float64[np.ndarray, "feature"]


@dataclass(frozen=True)
class Marks:
    """What people marked, as far as the query asks for it."""

    bookmarked: frozenset[int] = frozenset()
    """Features in the list "bookmarks"."""
    listed: frozenset[int] = frozenset()
    """Features in the query's list."""
    annotated: frozenset[int] = frozenset()
    """Features with tags or a note."""
    tagged: frozenset[int] = frozenset()
    """Features with the query's tag."""


def selected(
    columns: Columns,
    explained: ExplainedFeatures,
    query: FeatureQuery,
    marks: Marks,
    cosines: Keys | None = None,
) -> Ordering:
    """The features that the query means, in its order.

    Args:
        cosines: of each explanation to what is searched for by meaning; NaN where it is not known.
    """
    hits = _found_by_words(columns, explained, query.q)
    mask = _numbers_fit(columns, explained, query) & _marks_fit(columns.features.d_sae, query, marks)
    if query.explained is not None:
        mask &= explained.is_explained == query.explained
    if hits is not None:
        mask &= ~np.isnan(hits)
    if cosines is not None:
        mask &= ~np.isnan(cosines)
    keys = _keys(columns, explained, query, hits, cosines)
    keys = np.where(np.isnan(keys), np.inf, keys if query.is_ascending else -keys)
    if hits is not None:
        keys[hits == 0] = -np.inf  # the feature whose index was typed is what was looked for
    (indices,) = mask.nonzero()
    return Ordering(indices, keys[indices])


def score_column(explained: ExplainedFeatures, scorer: str | None) -> Keys:
    """The scores that a list filters and sorts by."""
    scorer = scorer or next(iter(explained.scorers), "")
    return explained.scores.get(scorer, np.full(len(explained.texts), np.nan))


def _found_by_words(columns: Columns, explained: ExplainedFeatures, words: str | None) -> Keys | None:
    """How each feature was found: 0 by its index, 1 in the explanation, 2 in a token; NaN where it was not."""
    if words is None:
        return None
    hits = np.full(columns.features.d_sae, np.nan)
    text = words.strip().casefold()
    if columns.tokens is not None:
        hits[_promotes(columns.tokens, text)] = 2
    hits[_with_all(explained.folded, text.split())] = 1
    if text.isdecimal() and len(text) < 10 and int(text) < len(hits):
        hits[int(text)] = 0
    return hits


def _with_all(texts: Sequence[str], words: Iterable[str]) -> Int64[np.ndarray, "found"]:
    """Places of the texts in which all words stand."""
    places = np.arange(len(texts))
    for word in words:
        left = texts if len(places) == len(texts) else [texts[place] for place in places.tolist()]
        places = places[_contain(left, word)]
    return places


def _contain(texts: Sequence[str], text: str) -> Bool[np.ndarray, "text"]:
    """Which texts hold this one."""
    return np.fromiter(map(contains, texts, repeat(text)), bool, len(texts))


def _promotes(tokens: PromotedTokens, text: str) -> Mask:
    """Features that promote a token with this text in it."""
    is_hit = _contain(tokens.folded, text)
    found = np.zeros(tokens.place.shape[1], bool)
    if is_hit.any():
        for column in tokens.place:
            found |= is_hit[column]
    return found


def _numbers_fit(columns: Columns, explained: ExplainedFeatures, query: FeatureQuery) -> Mask:
    features = columns.features
    mask = np.ones(features.d_sae, bool)
    _keep(mask, features.density, query.min_density, query.max_density, largest=1.0)
    _keep(mask, columns.log_density, query.min_log_density, query.max_log_density, largest=0.0)
    _keep(mask, features.max_act.astype(np.float64), query.min_act, query.max_act)
    if query.min_score is not None or query.max_score is not None:
        _keep(mask, score_column(explained, query.scorer), query.min_score, query.max_score, largest=1.0)
    if query.state != "all":
        mask &= (features.act_times > 0) == (query.state == "alive")
    return mask


def _keep(
    mask: Mask,
    values: Shaped[np.ndarray, "feature"],
    low: float | None,
    high: float | None,
    largest: float | None = None,
) -> None:
    if low is not None:
        mask &= values >= low
    if high is not None:
        mask &= values <= high if high == largest else values < high


def _marks_fit(d_sae: int, query: FeatureQuery, marks: Marks) -> Mask:
    mask = np.ones(d_sae, bool)
    for asked, features in ((query.bookmarked, marks.bookmarked), (query.annotated, marks.annotated)):
        if asked is not None:
            mask &= _mask(d_sae, features) == asked
    if query.list is not None:
        mask &= _mask(d_sae, marks.listed)
    if query.tag is not None:
        mask &= _mask(d_sae, marks.tagged)
    return mask


def _mask(d_sae: int, features: Iterable[int]) -> Mask:
    mask = np.zeros(d_sae, bool)
    mask[[index for index in features if index < d_sae]] = True
    return mask


def _keys(
    columns: Columns,
    explained: ExplainedFeatures,
    query: FeatureQuery,
    hits: Keys | None,
    cosines: Keys | None,
) -> Keys:
    features = columns.features
    match query.sorted_by:
        case "density":
            return features.density
        case "max_act":
            return features.max_act.astype(np.float64)
        case "mean_act":
            return features.mean_act
        case "score":
            return score_column(explained, query.scorer)
        case "top_logit" if columns.tokens is not None:
            return columns.tokens.maximum.astype(np.float64)
        case "top_logit":
            return np.full(features.d_sae, np.nan)
        case "relevance" if cosines is not None:
            return -cosines
        case "relevance" if hits is not None:
            return hits
        case _:
            return np.arange(features.d_sae, dtype=np.float64)
