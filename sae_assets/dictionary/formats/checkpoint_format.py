"""What a checkpoint format is: how its folder is recognised, and read as the one architecture that is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

from torch import Tensor

from sae_assets.dictionary.config import SAEConfig


class CheckpointFormat(Protocol):
    """A way in which checkpoints are written. It reads; it holds no state of a checkpoint."""

    name: ClassVar[str]
    """What people call it: "SAELens"."""
    config_name: ClassVar[str]
    """Name of the file in a checkpoint's folder that says what it is; "" where the weights alone say so."""
    weight_names: ClassVar[tuple[str, ...]]
    """Where the weights may lie in the folder ("checkpoints/final.safetensors"), looked for in this order."""

    def fits(self, folder: Path) -> bool:
        """Whether the folder is of this format, by the names of its files and a look into the config; never raises.

        It says nothing about whether the checkpoint is complete: where only the weights are missing, it fits.
        """
        ...

    def config(self, folder: Path) -> SAEConfig:
        """What the checkpoint says about itself. What it does not record is None there.

        Raises:
            UserError: it is damaged or describes what cannot be computed here.
        """
        ...

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:
        """The weights in `file`, in float32, by the names of `SparseAutoEncoder`'s state dict.

        What "dataset-wise" scales by comes under `DATASET_NORMS`. Tensors that the format does not know stay under
        their own names: `strict_loading` refuses them.

        Raises:
            UserError: they are damaged, incomplete, or do not fit the config.
        """
        ...


class DatasetNorms(NamedTuple):
    """Names of two scalars among the weights: mean norms of the activations at the two hook points."""

    norm_in: str
    """At `hook_point_in`."""
    norm_out: str
    """At `hook_point_out`."""


DATASET_NORMS = DatasetNorms("dataset_norm_in", "dataset_norm_out")
