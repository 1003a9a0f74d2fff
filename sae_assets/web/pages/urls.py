"""Addresses of the pages; whatever a name holds is percent-encoded."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def checkpoint_url(series: str, name: str, analysis: str) -> str:
    """The page of a checkpoint."""
    return "/saes/" + "/".join(quote(part, safe="") for part in (series, name, analysis))


def features_url(series: str, name: str, analysis: str, **query: object) -> str:
    """The list of its features, with a filter; what is None or empty is left out."""
    given = {key: value for key, value in query.items() if value not in (None, "")}
    return f"{checkpoint_url(series, name, analysis)}/features" + (f"?{urlencode(given)}" if given else "")


def feature_url(series: str, name: str, analysis: str, index: int, *, within: str = "") -> str:
    """The page of a feature; `within` is the query of the list that it was found in, which previous and next follow."""
    place = f"{checkpoint_url(series, name, analysis)}/features/{index}"
    return f"{place}?{urlencode({'from': within})}" if within else place


def context_url(series: str, name: str, analysis: str, index: int, context_idx: int) -> str:
    """The page of a whole sample context of a feature."""
    return f"{feature_url(series, name, analysis, index)}/contexts/{context_idx}"


def embed_url(series: str, name: str, analysis: str, index: int) -> str:
    """A feature without navigation, for a frame in another page."""
    return feature_url(series, name, analysis, index).replace("/saes/", "/embed/", 1).replace("/features/", "/", 1)


def list_url(name: str) -> str:
    """The page of a named list."""
    return f"/lists/{quote(name, safe='')}"


def analysis_key(series: str, name: str, analysis: str) -> str:
    """`series/name/analysis`, as comparisons name an analysis."""
    return f"{series}/{name}/{analysis}"


def compare_features_url(first: str, second: str | None = None) -> str:
    """Two features side by side, each as `series/name/analysis/index`; without the second, the page asks for it."""
    return "/compare/features?" + urlencode({"a": first} | ({"b": second} if second else {}))


def compare_url(first: str | None = None, second: str | None = None, **query: object) -> str:
    """Two analyses, each as `series/name/analysis`, feature by feature."""
    given = {"first": first, "second": second, **query}
    given = {key: value for key, value in given.items() if value not in (None, "")}
    return "/compare" + (f"?{urlencode(given)}" if given else "")
