"""`auto_interp`: explains the features of an analysis in the store, each as soon as its answer is there."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

from sae_assets.disk.layout import DataFolder, default_data_folder
from sae_assets.engine.progress import Progress, silent
from sae_assets.engine.progress_bar import progress_or_bar
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.batch.rounds import interpret_in_batches
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.embedders import open_embedder
from sae_assets.interpretation.interpret import Outcome, interpret_features
from sae_assets.interpretation.metered import MeteredLLM
from sae_assets.interpretation.pricing import price_for
from sae_assets.interpretation.records import FailedExplanation
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.runners.explanation_documents import explanation_document, failure_document
from sae_assets.runners.explanation_file import write_explanations
from sae_assets.runners.explanation_report import write_report
from sae_assets.runners.grouped_writer import GroupedWriter
from sae_assets.runners.interpretation_report import InterpretationReport, budget_in_words
from sae_assets.runners.interpretation_work import InterpretationWork, interpretation_work
from sae_assets.settings import AutoInterpSettings, UserError
from sae_assets.store.connection import Store, connect
from sae_assets.store.explanations import explained_features, explanations_of, record_explained, save_explanations
from sae_assets.store.failures import save_failures
from sae_assets.store.kept_documents import ExplanationFailureDocument, ExplanationVersionDocument


def auto_interp(
    settings: AutoInterpSettings, *, data: DataFolder | None = None, progress: Progress | None = None
) -> InterpretationReport:
    """Explains the features of an analysis and scores the explanations; every answer is stored as it comes.

    Args:
        data: where the bundled server, the cache of answers and the table of explanations lie; `SAE_ASSETS_DATA` or
            `data` in the working directory where not given.
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
    began = time.monotonic()
    work = interpretation_work(settings, store)
    cfg, analysis = work.cfg, work.found.analysis
    ledger = Ledger(price_for(cfg), cfg.openai_model, max_cost=settings.max_cost, max_tokens=settings.max_tokens)

    def write_explained(documents: list[ExplanationVersionDocument]) -> None:
        save_explanations(store, documents)

    def write_failed(documents: list[ExplanationFailureDocument]) -> None:
        save_failures(store, documents)

    n_explained, failures = 0, []
    with (
        _published(work, store, data),
        AnswerCache(data.answers) as cache,
        GroupedWriter(write_explained) as explained,
        GroupedWriter(write_failed) as failed,
        closing(_outcomes(settings, work, store, data, cache, ledger, progress)) as outcomes,
    ):
        for outcome in outcomes:
            if isinstance(outcome, FailedExplanation):
                failures.append(outcome)
                failed.put(failure_document(outcome, analysis, cfg.openai_model))
            else:
                n_explained += 1
                explained.put(explanation_document(outcome, analysis))
    return InterpretationReport(
        n_explained,
        len(work.kept),
        tuple(failures),
        n_remaining=len(work.indices) - n_explained - len(failures),
        spent=ledger.spent,
        saved=ledger.saved,
        seconds=time.monotonic() - began,
        ended_budget=budget_in_words(settings.max_cost, settings.max_tokens) if ledger.has_ended else None,
    )


def _outcomes(
    settings: AutoInterpSettings,
    work: InterpretationWork,
    store: Store,
    data: DataFolder,
    cache: AnswerCache,
    ledger: Ledger,
    progress: Progress,
) -> Generator[Outcome]:
    """The features to explain, each once: explained or failed."""
    cfg, max_workers, total = work.cfg, settings.max_workers, len(work.indices)
    with closing(LLMClient(cfg)) as client, VectorCache(data.answers, only_new=not cfg.use_cache) as vectors:
        embedder = partial(open_embedder, cfg, ledger, vectors)
        if cfg.mode == "batch":
            yield from interpret_in_batches(
                lambda: work.examples(store, data, progress=progress),
                cfg,
                client,
                cache,
                ledger,
                data.batches,
                progress=progress,
                total=total,
                max_workers=max_workers,
                embedder=embedder,
            )
        else:
            yield from interpret_features(
                work.examples(store, data, progress=progress),
                cfg,
                MeteredLLM(client, cfg, ledger, cache),
                ledger=ledger,
                max_workers=max_workers,
                progress=progress,
                total=total,
                embedder=embedder,
            )


@contextmanager
def _published(work: InterpretationWork, store: Store, data: DataFolder) -> Iterator[None]:
    """Publishes what was explained inside it, also where the endpoint died on the way."""
    try:
        yield
    except UserError:
        with suppress(UserError):  # what ended the run is told, and it may well be the store
            if explained_features(store, work.found.sae.id, work.found.analysis.name):
                _publish(work, store, data)
        raise
    _publish(work, store, data)


def _publish(work: InterpretationWork, store: Store, data: DataFolder) -> None:
    """The numbers and files that are about all explanations of the analysis."""
    sae, analysis = work.found.sae, work.found.analysis
    record_explained(store, sae.id, analysis.name)
    write_explanations(
        data.checkpoint(sae.series, sae.name, analysis.name).explanations,
        explanations_of(store, sae.id, analysis.name),
    )
    write_report(store, data, work.found)
