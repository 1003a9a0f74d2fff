"""The whole story of a feature's explanation: how it came about, what its judge got wrong, what was before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sae_assets.interpretation.records import Verdict
from sae_assets.runners.feature_examples import window_of
from sae_assets.store.connection import Store
from sae_assets.store.contexts import contexts_by_idx
from sae_assets.store.explanations import explanation_history
from sae_assets.store.failures import failures_of
from sae_assets.store.features import StoredFeature
from sae_assets.store.kept_documents import (
    ExplanationDocument,
    ExplanationFailureDocument,
    ExplanationVersionDocument,
)
from sae_assets.store.lookup import FoundAnalysis

WINDOW_TOKENS = 40
"""Tokens around the peak that are given of a window; the judge may have seen more or fewer."""


class Misjudged(NamedTuple):
    """A window of which the judge was wrong."""

    scorer: str
    """The measure that asked."""
    verdict: Verdict
    """What it said, and what is right."""
    text: str | None
    """The window; the whole context where it is no sample of the feature, None where it is no longer known."""


@dataclass(frozen=True, eq=False)
class ExplanationStory:
    """All that is known of how a feature got its explanation."""

    current: ExplanationVersionDocument | None
    """The explanation that counts; None where nobody has explained the feature."""
    misjudged: tuple[Misjudged, ...]
    """Windows that its judge got wrong, by scorer, as they were asked."""
    earlier: tuple[ExplanationVersionDocument, ...]
    """Other explanations that the feature had, newest first."""
    failure: ExplanationFailureDocument | None
    """Why the last run that tried could not explain it; None where it could, or none tried."""


def read_story(store: Store, found: FoundAnalysis, feature: StoredFeature) -> ExplanationStory:
    """The story of a feature's explanation.

    Raises:
        UserError: MongoDB cannot be used.
    """
    sae, analysis = found.sae.id, found.analysis
    versions = explanation_history(store, sae, analysis.name, feature.index)
    current = _version(feature.explanation, versions)
    earlier = tuple(one for one in versions if current is None or one.version != current.version)
    failure = next(iter(failures_of(store, sae, analysis.name, [feature.index])), None)
    with store.readable_errors():
        misjudged = _misjudged(store, found, feature, current) if current else ()
    return ExplanationStory(current, misjudged, earlier, failure)


def _version(
    explanation: ExplanationDocument | None, versions: list[ExplanationVersionDocument]
) -> ExplanationVersionDocument | None:
    """The explanation with its story, which it lacks where an earlier version of the package wrote it."""
    if explanation is None:
        return None
    whole = next((one for one in versions if one.version == explanation.version), None)
    return whole or ExplanationVersionDocument.model_validate(explanation.model_dump())


def _misjudged(
    store: Store, found: FoundAnalysis, feature: StoredFeature, explanation: ExplanationVersionDocument
) -> tuple[Misjudged, ...]:
    verdicts = [
        (score["scorer"], Verdict(*stored)) for score in explanation.scores for stored in score.get("verdicts") or ()
    ]
    wrong = [(scorer, one) for scorer, one in verdicts if one.said is not None and one.said != one.is_positive]
    texts = _texts(store, found, feature, {one.context_idx for _, one in wrong}, explanation.source)
    return tuple(Misjudged(scorer, one, texts.get(one.context_idx)) for scorer, one in wrong)


def _texts(
    store: Store, found: FoundAnalysis, feature: StoredFeature, wanted: set[int], source: str | None
) -> dict[int, str]:
    """By context; those of another source than the explanation's are others of the same number."""
    source = source or found.analysis.source
    texts = {context.context_idx: context.text for context in contexts_by_idx(store, source or "", wanted).values()}
    if source != found.analysis.source:
        return texts
    samples = [sample for group in feature.samples.values() for sample in group]
    return texts | {
        sample.context.context_idx: window_of(sample, WINDOW_TOKENS).text
        for sample in samples
        if sample.context.context_idx in wanted
    }
