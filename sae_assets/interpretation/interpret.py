"""Many features, several at a time: a stream of examples in, a stream of explanations and failures out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from queue import SimpleQueue

from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.interpretation.amounts import dollars, tokens_of
from sae_assets.interpretation.asking import LLM, BudgetEndedError, PendingError
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.embedders import TextEmbedder
from sae_assets.interpretation.failures import EndpointUnusableError
from sae_assets.interpretation.feature import interpret_feature
from sae_assets.interpretation.records import FailedExplanation, FeatureExamples, FeatureExplanation
from sae_assets.interpretation.rehearsal import foreseen
from sae_assets.interpretation.scorers import scorers_of
from sae_assets.settings import AutoInterpConfig, UserError

Outcome = FeatureExplanation | FailedExplanation

LEAST_FAILURES_IN_A_ROW = 20
"""Features that the endpoint fails one after the other before a run ends, at the least."""

log = logging.getLogger(__name__)


def interpret_features(
    features: Iterable[FeatureExamples],
    cfg: AutoInterpConfig,
    llm: LLM,
    *,
    ledger: Ledger | None = None,
    max_workers: int = 10,
    progress: Progress = silent,
    total: int | None = None,
    gives_up: bool = True,
    embedder: Callable[[], TextEmbedder] | None = None,
) -> Generator[Outcome]:
    """Explains and scores features, `max_workers` at a time, and yields each as it is done: once, in any order.

    `features` is read as places become free, never far ahead, so memory does not grow with their number. A feature that
    cannot be explained is yielded as a `FailedExplanation` and stops no other one; one that the budget's end cuts short
    or that waits for a batch is not yielded. Closing the iterator ends the work.

    Args:
        llm: what answers; closed at the end, as only this ends the waits that workers may be in.
        ledger: the run's account: a feature is begun if all of it is likely to fit into what is left, and none once the
            budget `has_ended`. The progress says what was spent.
        total: number of features, for the progress.
        embedder: opens what the embedding scorer asks, where there is one; closed at the end. The model of the
            settings, whose use nobody counts, where not given.
        gives_up: whether many failures of the endpoint in a row end the work; not where it has all the answers already.

    Raises:
        UserError: a scorer is not known; the endpoint never answered, or failed many features in a row; nothing more
            can be asked in this run. What was yielded before stays valid.
    """
    scorers = scorers_of(cfg, embedder)
    account = ledger or Ledger()

    def interpret(feature: FeatureExamples) -> Outcome:
        with account.allotted(lambda: foreseen(feature, cfg, scorers, llm)):
            return interpret_feature(feature, cfg, scorers, llm)

    def reported() -> Generator[Outcome]:
        progress(Step("explanations", 0, total, "features"))
        pool = ThreadPoolExecutor(max_workers, thread_name_prefix="interpret")
        with ExitStack() as ending:
            # From the last to the first: closing the endpoints ends the waits that workers may be in.
            ending.callback(pool.shutdown, cancel_futures=True)
            ending.enter_context(closing(scorers))
            ending.enter_context(closing(llm))
            work = _in_parallel(pool, _until_ended(features, account), interpret, max_workers)
            for done, outcome in enumerate(_until_dead(work, max_workers, gives_up), start=1):
                progress(Step("explanations", done, total, "features", spent_so_far(account)))
                yield outcome

    return reported()


def _until_ended(features: Iterable[FeatureExamples], ledger: Ledger) -> Iterator[FeatureExamples]:
    for feature in features:
        if ledger.has_ended:
            return
        yield feature


def spent_so_far(ledger: Ledger) -> str:
    """What was spent so far: `$0.083, 41,200 tokens`; empty where nothing is known."""
    spent, n_tokens = ledger.spent, tokens_of(ledger.spent)
    parts = [] if spent.cost is None else [dollars(spent.cost)]
    return ", ".join(parts + ([f"{n_tokens:,} tokens"] if n_tokens else []))


def _until_dead(
    finished: Iterable[tuple[int, Future[Outcome]]], max_workers: int, gives_up: bool
) -> Generator[Outcome]:
    """All outcomes, or an error as soon as it is plain that the endpoint does not work.

    Until it has answered once, features that found it unusable are held back: if the first ones all did, that is one
    mistake of the user's and not thousands of failed features.
    """
    held: list[Outcome] = []
    has_answered = False
    n_in_a_row = 0
    for index, future in finished:
        error = future.exception()
        if isinstance(error, BudgetEndedError | PendingError):
            continue
        if isinstance(error, UserError):
            raise error
        outcome = _outcome(index, future)
        has_answered = has_answered or _is_answered(outcome)
        if isinstance(error, EndpointUnusableError) and not has_answered:
            held.append(outcome)
            _raise_if(len(held) >= max_workers, outcome)
            continue
        if has_answered:
            yield from held
            held.clear()
        yield outcome
        n_in_a_row = n_in_a_row + 1 if _is_of_endpoint(outcome) else 0
        _raise_if(gives_up and n_in_a_row >= max(LEAST_FAILURES_IN_A_ROW, 2 * max_workers), outcome)
    if held:
        _raise_if(True, held[-1])


def _is_answered(outcome: Outcome) -> bool:
    """Whether the endpoint itself said something for it; the cache says nothing of the endpoint."""
    if isinstance(outcome, FailedExplanation):
        return outcome.kind == "answer"
    return outcome.usage.requests > outcome.usage.n_from_cache


def _is_of_endpoint(outcome: Outcome) -> bool:
    return isinstance(outcome, FailedExplanation) and outcome.kind == "endpoint"


def _raise_if(is_dead: bool, last: Outcome) -> None:
    if is_dead and isinstance(last, FailedExplanation):
        raise UserError(last.reason)


def _outcome(index: int, future: Future[Outcome]) -> Outcome:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, EndpointUnusableError):
        return FailedExplanation(index, str(error), "endpoint")
    log.error("Explaining feature %d failed unexpectedly.", index, exc_info=error)
    return FailedExplanation(index, f"Something unforeseen happened ({type(error).__name__}): {error}.", "unexpected")


def _in_parallel(
    pool: Executor,
    features: Iterable[FeatureExamples],
    interpret: Callable[[FeatureExamples], Outcome],
    max_workers: int,
) -> Iterator[tuple[int, Future[Outcome]]]:
    """Finished work by feature index; at most twice `max_workers` features are under way or waiting."""
    waiting: dict[Future[Outcome], int] = {}
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
    for feature in features:
        future = pool.submit(interpret, feature)
        waiting[future] = feature.index
        future.add_done_callback(finished.put)
        while len(waiting) >= 2 * max_workers or not finished.empty():
            done = finished.get()
            yield waiting.pop(done), done
    while waiting:
        done = finished.get()
        yield waiting.pop(done), done
