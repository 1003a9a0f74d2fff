"""Which SAEs and analyses there are, and which one a name means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sae_assets.settings.errors import NotFoundError, UserError, unknown
from sae_assets.store.connection import Store, readable
from sae_assets.store.documents import AnalysisDocument, ConfigDocument, SAEDocument
from sae_assets.store.queries import where


@dataclass(frozen=True)
class FoundAnalysis:
    """A published analysis and the SAE that it is about."""

    sae: SAEDocument
    """The SAE."""
    analysis: AnalysisDocument
    """The analysis."""


@dataclass(frozen=True)
class CheckpointRow:
    """A checkpoint in a list, with the numbers of one of its analyses."""

    name: str
    """Its name."""
    series: str
    """Its series."""
    analyses: tuple[str, ...]
    """Names of its published analyses."""
    analysis: str | None
    """The one that is shown: "default", or else the one published last; None where nothing is published."""
    model_name: str | None
    """Language model."""
    hook_point: str | None
    """Where in the model it reads."""
    d_model: int
    """Width of the model there."""
    d_sae: int
    """Number of features."""
    n_alive: int | None
    """Features that activate on some token; None, as all that follows, where nothing is published."""
    l0: float | None
    """Mean number of active features a token."""
    n_analyzed_tokens: int | None
    """Tokens analysed."""
    n_explained: int
    """Features with an explanation."""
    mean_scores: dict[str, float]
    """Mean score of the explanations by scorer, as it was after the last run that explained."""
    has_logits: bool
    """Whether logits are attributed."""
    published_at: datetime | None
    """When the analysis was published."""


@readable
def checkpoints(store: Store) -> list[CheckpointRow]:
    """All checkpoints, by series and name."""
    published: dict[str, list[AnalysisDocument]] = {}
    for analysis in map(AnalysisDocument.of, store["analyses"].find(where().filter)):
        if analysis.features_id is not None:
            published.setdefault(analysis.sae, []).append(analysis)
    saes = sorted(map(SAEDocument.of, store["saes"].find(where().filter)), key=lambda sae: (sae.series, sae.name))
    return [_row(sae, published.get(sae.id, [])) for sae in saes]


@readable
def find_analysis(store: Store, name: str, series: str | None = None, analysis: str = "default") -> FoundAnalysis:
    """The published analysis of an SAE that is named by `name`, by `name` and `series`, or as `series/name`.

    Raises:
        UserError: there is no such SAE or analysis (the nearest is named), or several series have one of this name.
    """
    asked = name if series is None else f"{series}/{name}"
    sae = find_sae(store, asked if "/" in asked else _only_one_named(store, asked))
    found = store["analyses"].find_one(where(_id=f"{sae.id}/{analysis}").filter)
    if found is None or found["features_id"] is None:
        published = [one.name for one in published_analyses(store, sae.id)]
        raise unknown("analysis", analysis, published, where=f"SAE {sae.id!r}")
    return FoundAnalysis(sae, AnalysisDocument.of(found))


@readable
def find_sae(store: Store, sae_id: str) -> SAEDocument:
    """The SAE `series/name`, whatever was published about it.

    Raises:
        UserError: there is none; the nearest is named.
    """
    stored = store["saes"].find_one(where(_id=sae_id).filter)
    if stored is None:
        raise _unknown_sae(sae_id, _sae_ids(store))
    return SAEDocument.of(stored)


@readable
def published_analyses(store: Store, sae_id: str) -> list[AnalysisDocument]:
    """The published analyses of an SAE, the one that is shown first: "default", or else the one published last."""
    found = map(AnalysisDocument.of, store["analyses"].find(where(sae=sae_id).filter))
    return _shown_first(analysis for analysis in found if analysis.features_id is not None)


@readable
def save_config(store: Store, collection: str, name: str, config: dict[str, Any]) -> None:
    """Keeps the settings of a language model ("models") or a dataset ("datasets") under the name that a run uses."""
    document = ConfigDocument(id=name, config=config).to_mongo()
    store[collection].replace_one(where(_id=name).filter, document, upsert=True)


@readable
def stored_config(store: Store, collection: str, name: str) -> dict[str, Any] | None:
    """The settings that were kept under this name, if any."""
    stored = store[collection].find_one(where(_id=name).filter)
    return None if stored is None else ConfigDocument.of(stored).config


def _unknown_sae(name: str, known: list[str]) -> UserError:
    if known:
        return unknown("SAE", name, known)
    return NotFoundError(
        f"Unknown SAE {name!r}; none is known, as no analysis is stored here: run `sae-assets analyze`, or go to the "
        "folder whose `data` has one (or set SAE_ASSETS_DATA)."
    )


def _only_one_named(store: Store, name: str) -> str:
    """Id of the only SAE of this name."""
    ids = _sae_ids(store)
    matches = sorted(sae_id for sae_id in ids if sae_id.split("/", 1)[1] == name)
    if not matches:
        raise _unknown_sae(name, [sae_id.split("/", 1)[1] for sae_id in ids])
    if len(matches) > 1:
        places = " and ".join(repr(sae_id.split("/", 1)[0]) for sae_id in matches)
        raise UserError(f"The SAE {name!r} is in the series {places}; give --series.")
    return matches[0]


def _sae_ids(store: Store) -> list[str]:
    return [sae["_id"] for sae in store["saes"].find(where().filter, {"_id": 1})]


def _shown_first(published: Iterable[AnalysisDocument]) -> list[AnalysisDocument]:
    return sorted(published, key=lambda one: (one.name == "default", one.published_at), reverse=True)


def _row(sae: SAEDocument, published: list[AnalysisDocument]) -> CheckpointRow:
    shown = next(iter(_shown_first(published)), None)
    return CheckpointRow(
        name=sae.name,
        series=sae.series,
        analyses=tuple(sorted(analysis.name for analysis in published)),
        analysis=shown.name if shown else None,
        model_name=sae.model_name,
        hook_point=sae.hook_point,
        d_model=sae.d_model,
        d_sae=sae.d_sae,
        n_alive=shown.n_alive if shown else None,
        l0=shown.l0 if shown else None,
        n_analyzed_tokens=shown.n_analyzed_tokens if shown else None,
        n_explained=shown.n_explained if shown else 0,
        mean_scores=shown.mean_scores if shown else {},
        has_logits=shown is not None and shown.logits_id is not None,
        published_at=shown.published_at if shown else None,
    )
