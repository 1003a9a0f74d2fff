"""Explanations, their scores and failures as documents of the store."""

from __future__ import annotations

from typing import Any

from sae_assets.interpretation.records import FailedExplanation, FeatureExplanation, Score
from sae_assets.store.documents import AnalysisDocument
from sae_assets.store.kept_documents import ExplanationFailureDocument, ExplanationVersionDocument

MEASURES = ("accuracy", "precision", "recall", "f1", "balanced_accuracy")
"""What is stored of a confusion table beside its counts."""


def explanation_document(explanation: FeatureExplanation, analysis: AnalysisDocument) -> ExplanationVersionDocument:
    """An explanation of a feature of this analysis, with its whole story."""
    return ExplanationVersionDocument(
        sae=analysis.sae,
        analysis=analysis.name,
        source=analysis.source,
        index=explanation.index,
        text=explanation.text,
        consistency=explanation.consistency,
        complexity=explanation.complexity,
        scores=[_score(score) for score in explanation.scores],
        explainer=explanation.explainer,
        model=explanation.model,
        prompt_hash=explanation.prompt_hash,
        prompt=explanation.prompt,
        answer=explanation.answer,
        usage=explanation.usage._asdict(),
        seconds=explanation.seconds,
    )


def failure_document(failure: FailedExplanation, analysis: AnalysisDocument, model: str) -> ExplanationFailureDocument:
    """Why a feature of this analysis could not be explained by the model that was asked for."""
    return ExplanationFailureDocument(
        sae=analysis.sae,
        analysis=analysis.name,
        index=failure.index,
        reason=failure.reason,
        kind=failure.kind,
        model=model,
        answer=failure.answer,
    )


def _score(score: Score) -> dict[str, Any]:
    counts = score.counts
    measures = {name: getattr(counts, name) for name in MEASURES} if counts else {}
    return {
        "scorer": score.scorer,
        "value": score.value,
        "n": score.n,
        "n_unparsable": score.n_unparsable,
        "counts": counts._asdict() if counts else None,
        **measures,
        "prompt_hash": score.prompt_hash,
        "usage": score.usage._asdict(),
        "reason": score.reason,
        "verdicts": [list(verdict) for verdict in score.verdicts],
    }
