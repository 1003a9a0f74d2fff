"""Settings that decide which activations are made, and how they are cut into contexts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from sae_assets.settings.base import Settings
from sae_assets.settings.model import Dtype


class ActivationFactoryTarget(StrEnum):
    """What an `ActivationFactory` gives."""

    TOKENS = "tokens"
    """Contexts of token ids, no activations."""
    ACTIVATIONS_2D = "activations-2d"
    """Activations with their context: (context, position, d_model). What an analysis needs."""
    ACTIVATIONS_1D = "activations-1d"
    """Activations of single tokens, (token, d_model), without their context. What training needs."""


class ActivationFactorySource(Settings):
    """What every source of activations has."""

    name: str
    """Name of the source; for a dataset source, its key in `datasets`."""
    sample_weights: float = Field(default=1.0, gt=0)
    """Share of documents that comes from this source, relative to the other sources."""


class ActivationFactoryDatasetSource(ActivationFactorySource):
    """Activations made by running the language model over a dataset."""

    type: Literal["dataset"] = "dataset"
    """Kind of the source."""
    is_dataset_tokenized: bool = False
    """The dataset holds token ids in a column `tokens` or `input_ids` instead of text."""
    prepend_bos: bool = True
    """Put the beginning-of-sequence token before each context."""


class ActivationFactoryActivationsSource(ActivationFactorySource):
    """Activations that are already on disk as chunks."""

    type: Literal["activations"] = "activations"
    """Kind of the source."""
    path: str | dict[str, str]
    """Folder of an activation source or of its chunks; or one such folder for each hook point."""
    device: str = "cpu"
    """Device that the activations are put on."""
    dtype: Dtype | None = None
    """Precision that the activations are given in; as stored where not set."""
    num_workers: int = Field(default=4, ge=0)
    """Accepted for the seed's settings; chunks are memory-mapped and need no workers."""
    prefetch: int | None = 8
    """Accepted for the seed's settings; chunks are memory-mapped and need no prefetching."""


AnySource = Annotated[ActivationFactoryDatasetSource | ActivationFactoryActivationsSource, Field(discriminator="type")]


class ActivationFactoryConfig(Settings):
    """Which activations to make: sources, hook point, contexts and precision."""

    sources: list[AnySource] = Field(min_length=1)
    """Where documents or activations come from."""
    target: ActivationFactoryTarget = ActivationFactoryTarget.ACTIVATIONS_2D
    """What to produce; an analysis needs "activations-2d"."""
    hook_points: list[str] = Field(min_length=1)
    """Points of the model, by their TransformerLens names: ["blocks.6.hook_resid_post"]."""
    batch_size: int = Field(default=32, ge=1)
    """Contexts in a batch that is given out (tokens, for "activations-1d"); no result depends on it."""
    num_workers: int = Field(default=4, ge=0)
    """Accepted for the seed's settings; tokenizing uses the tokenizer's own threads."""
    context_size: int | None = Field(default=None, ge=2)
    """Tokens in a context; 128 where not set."""
    model_batch_size: int | None = Field(default=None, ge=1)
    """Contexts in a forward pass; as many as make about 1,024 tokens where not set."""
    override_dtype: Dtype | None = None
    """Precision that activations are stored in; the model's where not set."""
    buffer_size: int | None = Field(default=None, ge=1)
    """Tokens of the shuffling buffer of "activations-1d"; no shuffling where not set."""
    buffer_shuffle: bool = True
    """Shuffle within the buffer of "activations-1d"."""
    ignore_token_ids: list[int] | None = None
    """Tokens that count nowhere; the beginning-, end-of-sequence and padding tokens where not set."""
    ignore_positions: list[int] = Field(default_factory=list)
    """Positions of a context that count nowhere; [0] for models whose first position is an outlier."""
    pack_documents: bool = True
    """Cut contexts from the documents laid end to end; otherwise one context a document, truncated and padded."""
    document_separator: Literal["bos", "eos", "none"] = "bos"
    """Token between two packed documents."""
    seed: int = 42
    """Seed of the order in which several sources are mixed."""
