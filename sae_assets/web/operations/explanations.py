"""Explanations of a feature: the current one, all there ever were, and one that a person writes."""

from __future__ import annotations

from sae_assets.runners.explanation_story import read_story
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import explanation_history, write_by_hand
from sae_assets.store.failures import failures_of
from sae_assets.store.kept_documents import ExplanationDocument, ExplanationVersionDocument
from sae_assets.store.reading import read_feature
from sae_assets.web.context import WebContext
from sae_assets.web.models.features import (
    ExplanationHistory,
    ExplanationItem,
    MisjudgedWindow,
    NewExplanation,
    ScoreItem,
)

SCORE_FIELDS = ("scorer", "value")


def history(context: WebContext, series: str, name: str, analysis: str, index: int) -> ExplanationHistory:
    """All explanations of a feature.

    Raises:
        NotFoundError: there is no such feature.
    """
    found = context.found_feature(series, name, analysis, index)
    feature = read_feature(context.store, found.sae.id, analysis, index)
    story = read_story(context.store, found, feature)
    current = [] if story.current is None else [story.current]
    versions = sorted([*current, *story.earlier], key=lambda one: one.written_ms, reverse=True)
    return ExplanationHistory(
        items=[_item(version) for version in versions],
        current=None if story.current is None else story.current.version,
        misjudged=[
            MisjudgedWindow(
                scorer=one.scorer,
                context_idx=one.verdict.context_idx,
                is_positive=one.verdict.is_positive,
                text=one.text,
            )
            for one in story.misjudged
        ],
        failure=None if story.failure is None else story.failure.reason,
        failed_answer=None if story.failure is None else story.failure.answer,
    )


def write_explanation(
    context: WebContext, series: str, name: str, analysis: str, index: int, new: NewExplanation
) -> ExplanationItem:
    """Lets what a person wrote be the explanation from now on.

    Raises:
        NotFoundError: there is no such feature.
    """
    found = context.found_feature(series, name, analysis, index)
    written = write_by_hand(context.store, found.sae.id, analysis, index, new.text)
    context.catalogue.wrote(found.analysis, [written])
    return _item(written)


def current_explanation(
    context: WebContext, analysis: AnalysisDocument, current: ExplanationDocument | None
) -> ExplanationItem | None:
    """The current explanation with how it came about."""
    if current is None:
        return None
    versions = explanation_history(context.store, analysis.sae, analysis.name, current.index)
    return _item(next((one for one in versions if one.version == current.version), current))


def why_not_explained(
    context: WebContext, analysis: AnalysisDocument, index: int, current: ExplanationDocument | None
) -> str | None:
    """Why the last run that tried could not explain a feature; None where it has an explanation, or none tried."""
    if current is not None:
        return None
    failures = failures_of(context.store, analysis.sae, analysis.name, [index])
    return failures[0].reason if failures else None


def _item(stored: ExplanationDocument) -> ExplanationItem:
    version = stored if isinstance(stored, ExplanationVersionDocument) else None
    return ExplanationItem(
        version=stored.version,
        text=stored.text,
        consistency=stored.consistency,
        complexity=stored.complexity,
        scores=[
            ScoreItem(
                scorer=score["scorer"],
                value=score.get("value"),
                details={name: value for name, value in score.items() if name not in SCORE_FIELDS},
            )
            for score in stored.scores
        ],
        explainer=stored.explainer,
        model=stored.model,
        is_by_hand=stored.is_by_hand,
        prompt_hash=version.prompt_hash if version else None,
        prompt=version.prompt if version else None,
        answer=version.answer if version else None,
        usage=version.usage if version else {},
        seconds=version.seconds if version else None,
        created_at=stored.created_at,
    )
