"""`auto_interp`: explains the features of an analysis in the store, each as soon as its answer is there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from sae_assets.disk.layout import DataFolder, default_data_folder
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.progress_bar import progress_or_bar
from sae_assets.interpretation.interpret import interpret_features
from sae_assets.interpretation.records import FailedExplanation, FeatureExplanation, Score
from sae_assets.runners.explanation_file import write_explanations
from sae_assets.runners.feature_examples import examples_of
from sae_assets.settings import AutoInterpSettings
from sae_assets.store.connection import Store, connect
from sae_assets.store.explanations import (
    explained_features,
    explanations_of,
    record_explained,
    save_explanations,
)
from sae_assets.store.kept_documents import ExplanationVersionDocument
from sae_assets.store.lookup import find_analysis
from sae_assets.store.reading import read_features


@dataclass(frozen=True)
class InterpretationReport:
    """What came of a run."""

    n_explained: int
    """Features that were explained now."""
    n_kept: int
    """Features whose explanation was there already and was kept."""
    failures: tuple[FailedExplanation, ...]
    """Features that could not be explained; the next run tries them again."""

    @property
    def sentence(self) -> str:
        """The report as a person reads it."""
        kept = f", {self.n_kept:,} explanations were there already" if self.n_kept else ""
        if not self.failures:
            return f"{self.n_explained:,} features explained{kept}."
        first = self.failures[0]
        return (
            f"{self.n_explained:,} features explained{kept}; {len(self.failures):,} could not be, the first of them "
            f"feature {first.index}: {first.reason}"
        )


def auto_interp(
    settings: AutoInterpSettings, *, data: DataFolder | None = None, progress: Progress | None = None
) -> InterpretationReport:
    """Explains the features of an analysis and scores the explanations; every answer is stored as it comes.

    Args:
        data: where the bundled server and the table of explanations lie; `SAE_ASSETS_DATA` or `data` in the working
            directory where not given.
        progress: told how far the work is; a bar on the terminal where not given.

    Raises:
        UserError: no endpoint is configured or it does not work, MongoDB cannot be used, or it has no such analysis.
            What was explained before stays stored.
    """
    data = data or default_data_folder()
    with progress_or_bar(progress) as report, connect(settings.mongo, data) as store:
        return explain_features(settings, store, data, report)


def explain_features(
    settings: AutoInterpSettings, store: Store, data: DataFolder, progress: Progress = silent
) -> InterpretationReport:
    """The same in a store that is open already."""
    found = find_analysis(store, settings.sae_name, settings.sae_series, settings.analysis_name)
    sae, analysis, cfg = found.sae, found.analysis, settings.auto_interp
    kept = explained_features(store, sae.id, analysis.name, by_hand_only=cfg.overwrite_existing)
    asked = range(analysis.d_sae) if settings.features is None else dict.fromkeys(settings.features)
    wanted = [index for index in asked if index not in kept]
    n_kept = len(asked) - len(wanted)
    features = read_features(store, sae.id, analysis.name, wanted, alive_only=settings.features is None)
    examples = (examples_of(feature, cfg.max_length) for feature in features)
    total = min(len(wanted), max(analysis.n_alive - n_kept, 0)) if settings.features is None else len(wanted)
    n_explained, failures = 0, []
    with closing(interpret_features(examples, cfg, settings.max_workers, progress, total)) as outcomes:
        for outcome in outcomes:
            if isinstance(outcome, FailedExplanation):
                failures.append(outcome)
                continue
            save_explanations(store, [_document(outcome, sae.id, analysis.name)])
            n_explained += 1
    record_explained(store, sae.id, analysis.name)
    write_explanations(
        data.checkpoint(sae.series, sae.name, analysis.name).explanations,
        explanations_of(store, sae.id, analysis.name),
    )
    return InterpretationReport(n_explained, n_kept, tuple(failures))


def _document(explanation: FeatureExplanation, sae: str, analysis: str) -> ExplanationVersionDocument:
    return ExplanationVersionDocument(
        sae=sae,
        analysis=analysis,
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


def _score(score: Score) -> dict[str, Any]:
    counts = score.counts and score.counts._asdict()
    return asdict(score) | {"counts": counts, "usage": score.usage._asdict()}
