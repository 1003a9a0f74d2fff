"""Explanations of a feature: the current one, all there ever were, and one that a person writes."""

from __future__ import annotations

from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.explanations import explanation_history, explanations_of, write_by_hand
from sae_assets.store.kept_documents import ExplanationDocument, ExplanationVersionDocument
from sae_assets.web.context import WebContext
from sae_assets.web.models.features import ExplanationHistory, ExplanationItem, NewExplanation, ScoreItem

SCORE_FIELDS = ("scorer", "value")


def history(context: WebContext, series: str, name: str, analysis: str, index: int) -> ExplanationHistory:
    """All explanations of a feature.

    Raises:
        NotFoundError: there is no such feature.
    """
    found = context.found_feature(series, name, analysis, index)
    current = next(iter(explanations_of(context.store, found.sae.id, analysis, [index])), None)
    versions = explanation_history(context.store, found.sae.id, analysis, index)
    items = [_item(version) for version in versions]
    if current is not None and all(item.version != current.version for item in items):
        items.append(_item(current))
    return ExplanationHistory(items=items, current=None if current is None else current.version)


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
        prompt=version.prompt if version else None,
        answer=version.answer if version else None,
        usage=version.usage if version else {},
        seconds=version.seconds if version else None,
        created_at=stored.created_at,
    )
