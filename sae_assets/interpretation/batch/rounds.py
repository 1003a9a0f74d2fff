"""Many features by batches: the explanations come with the first one, the scores with the second."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.asking import BudgetEndedError
from sae_assets.interpretation.batch.collecting import CollectingLLM
from sae_assets.interpretation.batch.endpoint import BatchEndpoint
from sae_assets.interpretation.batch.under_way import UnderWay
from sae_assets.interpretation.batch.waiting import FIRST_WAIT_S, BatchFetcher
from sae_assets.interpretation.budget import Ledger
from sae_assets.interpretation.client import LLMClient
from sae_assets.interpretation.embedders import TextEmbedder
from sae_assets.interpretation.failures import without_password
from sae_assets.interpretation.interpret import Outcome, interpret_features, spent_so_far
from sae_assets.interpretation.records import FeatureExamples
from sae_assets.interpretation.rehearsal import foreseen
from sae_assets.interpretation.scorers import scorers_of
from sae_assets.settings import AutoInterpConfig


def interpret_in_batches(
    features: Callable[[], Iterable[FeatureExamples]],
    cfg: AutoInterpConfig,
    client: LLMClient,
    cache: AnswerCache,
    ledger: Ledger,
    state: Path,
    *,
    progress: Progress = silent,
    total: int | None = None,
    max_workers: int = 10,
    first_wait: float = FIRST_WAIT_S,
    embedder: Callable[[], TextEmbedder] | None = None,
) -> Generator[Outcome]:
    """Explains and scores features by batches, and yields each once, as soon as its answers are there.

    A round asks whatever can be asked, sends it, and waits; then every feature that is not done is asked about anew,
    with the answers at hand. It may be ended at any time: the next run takes the batches under way over, and no prompt
    is sent twice. A feature that does not fit into the budget is not yielded.

    Args:
        features: makes the same features for every round, so that they need not be kept.
        client: the endpoint; the caller closes it.
        cache: where answers go; with `use_cache` off, only those that arrive in this run are taken from it.
        ledger: the run's account; what a batch under way answers is charged to the run that fetches it.
        state: the file with the batches under way.
        total: number of features, for the progress.
        max_workers: features at a time that are scored by embeddings, which no batch does.
        first_wait: seconds between the first two looks at a batch.
        embedder: opens what the embedding scorer asks, once a round; as in `interpret_features`.

    Raises:
        UserError: the endpoint has no Batch API, refuses a batch or does not work at all; a scorer is not known.
    """
    begun: set[int] = set()
    done: set[int] = set()

    def first_round(llm: CollectingLLM) -> Iterator[FeatureExamples]:
        # What embeddings take is not foreseen: what opens their model belongs to a round.
        asking = [name for name in cfg.scorer_type if name != "embedding"]
        scorers = scorers_of(cfg.model_copy(update={"scorer_type": asking}))
        for feature in features():
            if ledger.has_limit:
                try:
                    llm.put_aside(foreseen(feature, cfg, scorers, llm).questions)
                except BudgetEndedError:
                    return
            begun.add(feature.index)
            yield feature

    def next_round() -> Iterator[FeatureExamples]:
        return (feature for feature in features() if feature.index in begun and feature.index not in done)

    progress(Step("explanations", 0, total, "features"))
    n_workers = max_workers if "embedding" in cfg.scorer_type else 1
    place = without_password(client.endpoint.url).rstrip("/")
    with closing(UnderWay(state, place, cfg.openai_model)) as under_way:
        endpoint = BatchEndpoint(client.openai, client.endpoint)
        llm = CollectingLLM(client, cfg, ledger, cache, under_way, endpoint)
        fetcher = BatchFetcher(under_way, endpoint, llm.take)
        fetcher.resolve()
        wanted = first_round(llm)
        with closing(llm.outbox) as outbox:
            while True:
                work = interpret_features(wanted, cfg, llm, max_workers=n_workers, gives_up=False, embedder=embedder)
                with closing(work) as outcomes:
                    for outcome in outcomes:
                        done.add(outcome.index)
                        progress(Step("explanations", len(done), total, "features", spent_so_far(ledger)))
                        yield outcome
                if not llm.send():
                    return
                files = {file for key in llm.pending if (file := under_way.file_of(key))}
                fetched = fetcher.fetch(files, progress, first_wait)
                if fetched.smallest_too_large and not fetched.n_answered:
                    outbox.most_questions = fetched.smallest_too_large // 2
                llm.pending.clear()
                wanted = next_round()
