"""An analysis while it runs: one SAE, its token budget, and what is known so far about its features."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sae_assets.activations.batch import ActivationBatch
from sae_assets.analysis.accumulator import FeatureAccumulator
from sae_assets.analysis.encoding import Encoder, encoded_contexts
from sae_assets.analysis.sampling import SamplingPlan
from sae_assets.settings.analyzer import FeatureAnalyzerConfig


class RunningAnalysis:
    """Takes batches of whole contexts until `total_analyzing_tokens` are analysed; each context comes once."""

    def __init__(
        self, cfg: FeatureAnalyzerConfig, sae: Encoder, amp_dtype: torch.dtype, advance: Callable[[int], None]
    ):
        """Nothing is analysed yet; `advance` is told how many more tokens are, after every few thousand."""
        self.cfg, self.sae, self.amp_dtype, self.advance = cfg, sae, amp_dtype, advance
        self.n_left = cfg.total_analyzing_tokens
        self.accumulator: FeatureAccumulator | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the budget is used up."""
        return self.n_left == 0

    def add(self, batch: ActivationBatch) -> None:
        """Analyses what the budget leaves of a batch.

        Raises:
            UserError: an activation is not finite, or d_model is not the SAE's.
        """
        if self.accumulator is None:
            plan, n_positions = SamplingPlan.of(self.cfg), batch.tokens.shape[1]
            self.accumulator = FeatureAccumulator(plan, self.sae.d_sae, n_positions, batch.activations.device)
        for encoded in encoded_contexts(self._within_budget(batch), self.sae, self.amp_dtype):
            self.accumulator.add(encoded.active, encoded.context_idx, encoded.n_tokens)
            self.n_left -= encoded.n_tokens
            self.advance(encoded.n_tokens)

    def _within_budget(self, batch: ActivationBatch) -> ActivationBatch:
        """The batch with this analysis' ignored tokens masked, and those that are too many."""
        mask = batch.mask
        if self.cfg.ignore_token_ids:
            ignored = torch.tensor(self.cfg.ignore_token_ids, device=batch.tokens.device, dtype=batch.tokens.dtype)
            mask = mask & ~torch.isin(batch.tokens, ignored)
        if int(mask.sum()) > self.n_left:
            mask = mask & (mask.flatten().cumsum(0) <= self.n_left).view_as(mask)
        return ActivationBatch(batch.context_idx, batch.tokens, mask, batch.activations)
