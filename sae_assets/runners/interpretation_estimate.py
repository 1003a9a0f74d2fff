"""What a run that explains features would cost: the same explainers and scorers, and nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass

from sae_assets.disk.layout import DataFolder, default_data_folder
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.engine.progress_bar import progress_or_bar
from sae_assets.interpretation.answer_cache import AnswerCache
from sae_assets.interpretation.dry_run import DryEmbedder, DryLLM
from sae_assets.interpretation.feature import interpret_feature
from sae_assets.interpretation.pricing import cost_of, price_for
from sae_assets.interpretation.records import FailedExplanation, FeatureExamples, Usage
from sae_assets.interpretation.scorers import Scorers, scorers_of
from sae_assets.interpretation.vector_cache import VectorCache
from sae_assets.runners.interpretation_work import interpretation_work
from sae_assets.runners.selected_features import sample_of
from sae_assets.settings import AutoInterpConfig, AutoInterpSettings
from sae_assets.store.connection import Store, connect

MOST_TRIED = 200
"""Features that are gone through; the numbers of more are scaled up from so many."""
MOST_LEARNED_FROM = 20
"""Features explained before whose answers tell how long prompts and answers of the model are."""


@dataclass(frozen=True)
class InterpretationEstimate:
    """What a run would ask and cost. Tokens and cost are estimates, as are all numbers where not all were tried."""

    model: str
    """Model to ask."""
    is_batch: bool
    """Whether the Batch API is used, at half the price."""
    n_features: int
    """Features to explain."""
    n_tried: int
    """How many of them the numbers come from."""
    n_unexplainable: int
    """Those of them without a window in which they are active: nothing is asked about them."""
    n_kept: int
    """Features that keep the explanation that they have."""
    n_requests: int
    """Requests to pay for."""
    n_from_cache: int
    """Requests whose answer the cache has."""
    prompt_tokens: int
    """Tokens of prompts to pay for."""
    completion_tokens: int
    """Tokens of answers to pay for."""
    n_embedded_texts: int
    """Texts to embed for the embedding scorer that no run has embedded yet."""
    embedding_tokens: int
    """Tokens of these texts, which come to those of prompts and answers; none with a model on this machine."""
    embedding_cost: float | None
    """US dollars for them; None where the table of prices does not have the embedding model."""
    cost: float | None
    """US dollars for all that is known to cost any; None where the table of prices does not have the model."""
    max_cost: float | None
    """What the run may cost at most; None for no limit."""
    max_tokens: int | None
    """Tokens, of prompts and answers together, that it may take at most; None for no limit."""

    @property
    def is_within_budget(self) -> bool:
        """Whether the run would come to its end, by this estimate."""
        is_too_dear = self.max_cost is not None and self.cost is not None and self.cost > self.max_cost
        n_tokens = self.prompt_tokens + self.completion_tokens + self.embedding_tokens
        is_too_long = self.max_tokens is not None and n_tokens > self.max_tokens
        return not (is_too_dear or is_too_long)


def estimate_cost(
    settings: AutoInterpSettings, *, data: DataFolder | None = None, progress: Progress | None = None
) -> InterpretationEstimate:
    """What `auto_interp` would ask and cost with these settings. No endpoint is needed, and nothing is changed.

    Args:
        data: where the bundled server and the cache of answers lie; as in `auto_interp`.
        progress: told how far the work is; a bar on the terminal where not given.

    Raises:
        UserError: MongoDB cannot be used, or it has no such analysis or feature; a scorer cannot be used.
    """
    data = data or default_data_folder()
    with progress_or_bar(progress) as report, connect(settings.mongo, data) as store:
        return estimate_features(settings, store, data, report)


def estimate_features(
    settings: AutoInterpSettings,
    store: Store,
    data: DataFolder,
    progress: Progress = silent,
    *,
    most_tried: int = MOST_TRIED,
) -> InterpretationEstimate:
    """The same in a store that is open already, out of at most `most_tried` features."""
    work = interpretation_work(settings, store)
    cfg, n_features = work.cfg, len(work.indices)
    tried = sample_of(work.indices, most_tried)
    n_unexplainable = 0
    with AnswerCache(data.answers) as cache, VectorCache(data.answers, only_new=not cfg.use_cache) as vectors:
        llm, embedder = DryLLM(cfg, cache), DryEmbedder(cfg.embedding, vectors)
        scorers = scorers_of(cfg, lambda: embedder)
        for feature in work.examples(store, data, sample_of(work.kept, MOST_LEARNED_FROM)):
            interpret_feature(feature, cfg, scorers, llm)
        llm.forget_counts()
        embedder.forget_counts()
        for n_done, feature in enumerate(work.examples(store, data, tried, progress), start=1):
            n_unexplainable += not _is_explainable(feature, cfg, scorers, llm)
            progress(Step("estimate", n_done, len(tried), "features"))

    def scaled(number: int) -> int:
        return round(number * n_features / len(tried)) if tried else 0

    usage = Usage(scaled(llm.asked.requests), scaled(llm.asked.prompt_tokens), scaled(llm.asked.completion_tokens))
    cost, embedding_cost = _cost(usage, cfg), _embedding_cost(scaled(embedder.n_tokens), cfg)
    return InterpretationEstimate(
        model=cfg.openai_model,
        is_batch=cfg.mode == "batch",
        n_features=n_features,
        n_tried=len(tried),
        n_unexplainable=scaled(n_unexplainable),
        n_kept=len(work.kept),
        n_requests=usage.requests,
        n_from_cache=scaled(llm.known.requests),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        n_embedded_texts=scaled(embedder.n_texts),
        embedding_tokens=scaled(embedder.n_tokens),
        embedding_cost=embedding_cost,
        cost=None if cost is None else cost + (embedding_cost or 0.0),
        max_cost=settings.max_cost,
        max_tokens=settings.max_tokens,
    )


def _is_explainable(feature: FeatureExamples, cfg: AutoInterpConfig, scorers: Scorers, llm: DryLLM) -> bool:
    outcome = interpret_feature(feature, cfg, scorers, llm)
    return not (isinstance(outcome, FailedExplanation) and outcome.kind == "examples")


def _embedding_cost(n_tokens: int, cfg: AutoInterpConfig) -> float | None:
    price = price_for(cfg, cfg.embedding.model) if cfg.embedding.model else None
    return cost_of(Usage(1, n_tokens), price) if n_tokens else 0.0


def _cost(usage: Usage, cfg: AutoInterpConfig) -> float | None:
    return cost_of(usage, price_for(cfg), is_batch=cfg.mode == "batch") if usage.requests else 0.0
