"""Which two analyses can be compared, and whether they are already. Loads no torch."""

from __future__ import annotations

from typing import NamedTuple

from sae_assets.settings.errors import UserError
from sae_assets.store.comparisons import StoredComparison, read_comparison
from sae_assets.store.connection import Store
from sae_assets.store.lookup import FoundAnalysis, find_analysis


class Comparable(NamedTuple):
    """Two analyses on one source and hook point."""

    first: FoundAnalysis
    """The first."""
    second: FoundAnalysis
    """The second."""
    hook_point: str
    """Where both read the model."""


def comparable(store: Store, first: str, second: str) -> Comparable:
    """The published analyses of these names, `series/name/analysis` each, or `series/name` for "default".

    Raises:
        UserError: one of them is unknown, or they cannot be compared.
    """
    one, other = _named(store, first), _named(store, second)
    for what, values in (
        ("hook points", (one.sae.hook_point, other.sae.hook_point)),
        ("hook points of what they reconstruct", (_hook_point_out(one), _hook_point_out(other))),
        ("widths (d_model)", (one.sae.d_model, other.sae.d_model)),
        ("sources", (one.analysis.source, other.analysis.source)),
    ):
        if values[0] != values[1]:
            raise UserError(
                f"{one.analysis.id!r} and {other.analysis.id!r} cannot be compared, as their {what} differ: "
                f"{values[0]!r} and {values[1]!r}; compare checkpoints at one point of a model, analysed on the same "
                "datasets with the same settings."
            )
    return Comparable(one, other, one.sae.hook_point or "")


def finished_comparison(store: Store, pair: Comparable) -> StoredComparison | None:
    """The comparison of these two that is there already, with nothing missing; None where there is none."""
    stored = read_comparison(store, pair.first.analysis.id, pair.second.analysis.id)
    return stored if stored is not None and stored.about.note is None else None


def _named(store: Store, name: str) -> FoundAnalysis:
    parts = name.split("/")
    if len(parts) not in (2, 3):
        raise UserError(f"The analysis {name!r} must be 'series/name' or 'series/name/analysis'.")
    return find_analysis(store, parts[1], parts[0], *parts[2:])


def _hook_point_out(found: FoundAnalysis) -> str | None:
    return found.sae.config.get("hook_point_out")
