"""`FeatureAnalyzer`: from activations and an SAE to what every feature activates on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.accumulator import FeatureAccumulator
from sae_assets.analysis.encoding import Encoder
from sae_assets.analysis.running import RunningAnalysis
from sae_assets.analysis.summaries import FeatureSummaries
from sae_assets.engine.progress import Progress, Step, silent
from sae_assets.settings.analyzer import FeatureAnalyzerConfig
from sae_assets.settings.errors import UserError

if TYPE_CHECKING:
    from sae_assets.activations.factory import ActivationFactory


class FeatureAnalyzer:
    """Finds out on which contexts each feature of an SAE activates, and how strongly."""

    def __init__(self, cfg: FeatureAnalyzerConfig):
        """An analyzer with these settings; it holds no state between analyses."""
        self.cfg = cfg

    def analyze_chunk(
        self,
        activation_factory: ActivationFactory,
        *,
        sae: Encoder,
        model: Any = None,
        datasets: Mapping[str, Any] | None = None,
        amp_dtype: torch.dtype = torch.float32,
        progress: Progress = silent,
    ) -> FeatureSummaries:
        """Analyses what the factory produces.

        Args:
            activation_factory: a factory of activations with their contexts; its target is not looked at.
            sae: the SAE to analyse.
            model: the `TransformerLensLanguageModel`; not needed where all sources are activations.
            datasets: for each dataset source its dataset, from the `datasets` library or as a `DatasetConfig`.
            amp_dtype: precision of the encoder's product.
            progress: told how many tokens are done.

        Raises:
            UserError: the settings and the arguments do not fit together, or the activations are not finite.
        """
        batches = activation_factory.activations(
            model, datasets, self.cfg.total_analyzing_tokens, ignore_token_ids=self.cfg.ignore_token_ids or ()
        )
        return self.analyze_batches(batches, sae=sae, amp_dtype=amp_dtype, progress=progress)

    def analyze_batches(
        self,
        batches: Iterable[ActivationBatch],
        *,
        sae: Encoder,
        amp_dtype: torch.dtype = torch.float32,
        progress: Progress = silent,
    ) -> FeatureSummaries:
        """Analyses batches of whole contexts, up to `total_analyzing_tokens`; each context comes once.

        The result depends neither on the order of contexts nor on how they come in batches, unless the budget ends
        before the batches do: then the first tokens count.

        Raises:
            UserError: there is no token to analyse, an activation is not finite, or d_model is not the SAE's.
        """
        done, total = 0, self.cfg.total_analyzing_tokens

        def advance(n_tokens: int) -> None:
            nonlocal done
            done += n_tokens
            progress(Step("features", done, total, "tokens"))

        advance(0)
        running = RunningAnalysis(self.cfg, sae, amp_dtype, advance)
        for batch in batches:
            running.add(batch)
            if running.is_complete:
                break
        return summaries_of(running.accumulator)


def merged(one: FeatureAccumulator | None, other: FeatureAccumulator | None) -> FeatureAccumulator | None:
    """The state over the contexts of both, None where no batch came; it takes over the memory of one of them."""
    return one.merge(other) if one is not None and other is not None else one or other


def summaries_of(whole: FeatureAccumulator | None) -> FeatureSummaries:
    """The summaries of a state, which share its memory.

    Raises:
        UserError: it has no token.
    """
    if whole is None or whole.n_tokens == 0:
        raise UserError("There is no token to analyse: the activations are empty or every token is ignored.")
    return whole.summaries()
