"""Many features, several at a time: a stream of examples in, a stream of explanations and failures out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from queue import SimpleQueue

from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.failures import EndpointUnusableError
from sae_assets.interpretation.feature import interpret_feature
from sae_assets.interpretation.records import FailedExplanation, FeatureExamples, FeatureExplanation
from sae_assets.interpretation.scorers import scorers_named
from sae_assets.settings import AutoInterpConfig, UserError

Outcome = FeatureExplanation | FailedExplanation

LEAST_FAILURES_IN_A_ROW = 20
"""Features that the endpoint fails one after the other before a run ends, at the least."""

log = logging.getLogger(__name__)


def interpret_features(
    features: Iterable[FeatureExamples],
    cfg: AutoInterpConfig,
    max_workers: int = 10,
    progress: Progress = silent,
    total: int | None = None,
    client: LLMClient | None = None,
) -> Generator[Outcome]:
    """Explains and scores features, `max_workers` at a time, and yields each as it is done: once, in any order.

    `features` is read as places become free, never far ahead, so memory does not grow with their number. A feature that
    cannot be explained is yielded as a `FailedExplanation` and stops no other one. Closing the iterator ends the work.

    Args:
        total: number of features, for the progress.
        client: the endpoint; made from `cfg`, and closed at the end, where not given.

    Raises:
        UserError: no endpoint is configured; a scorer is not known; the endpoint never answered, or failed many
            features in a row. What was yielded before stays valid.
    """
    scorers = scorers_named(cfg.scorer_type)
    asked = client or LLMClient(cfg)

    def interpret(feature: FeatureExamples) -> Outcome:
        return interpret_feature(feature, cfg, scorers, asked)

    def reported() -> Generator[Outcome]:
        progress(Step("explanations", 0, total, "features"))
        # The client is closed first: that ends the waits that workers may be in.
        with (
            closing(_until_dead(_in_parallel(features, interpret, max_workers), asked, max_workers)) as outcomes,
            nullcontext() if client else closing(asked),
        ):
            for done, outcome in enumerate(outcomes, start=1):
                progress(Step("explanations", done, total, "features"))
                yield outcome

    return reported()


def _until_dead(
    finished: Generator[tuple[int, Future[Outcome]]], client: LLMClient, max_workers: int
) -> Generator[Outcome]:
    """All outcomes, or an error as soon as it is plain that the endpoint does not work.

    Until it has answered once, features that found it unusable are held back: if the first ones all did, that is one
    mistake of the user's and not thousands of failed features.
    """
    held: list[Outcome] = []
    n_in_a_row = 0
    with closing(finished):
        for index, future in finished:
            outcome = _outcome(index, future)
            if isinstance(future.exception(), EndpointUnusableError) and not client.has_answered:
                held.append(outcome)
                _raise_if(len(held) >= max_workers, outcome)
                continue
            yield from held
            held.clear()
            yield outcome
            n_in_a_row = n_in_a_row + 1 if _is_of_endpoint(outcome) else 0
            _raise_if(n_in_a_row >= max(LEAST_FAILURES_IN_A_ROW, 2 * max_workers), outcome)
    if held:
        _raise_if(not client.has_answered, held[-1])
    yield from held


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
    features: Iterable[FeatureExamples], interpret: Callable[[FeatureExamples], Outcome], max_workers: int
) -> Generator[tuple[int, Future[Outcome]]]:
    """Finished work by feature index; at most twice `max_workers` features are under way or waiting."""
    waiting: dict[Future[Outcome], int] = {}
    finished: SimpleQueue[Future[Outcome]] = SimpleQueue()
    pool = ThreadPoolExecutor(max_workers, thread_name_prefix="interpret")
    try:
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
    finally:
        pool.shutdown(cancel_futures=True)
