"""The format of lm-saes (llamascopium), in which checkpoints are written here, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from sae_assets.dictionary.config import SAEConfig, validated_config
from sae_assets.dictionary.formats.checkpoint_format import DATASET_NORMS
from sae_assets.dictionary.formats.files import peek_json, read_json, read_tensors
from sae_assets.settings.errors import UserError

SAE_TYPES = ("sae",)
"""The kinds of dictionary that are read."""
ACTIVATION_FUNCTION = "activation_function."
LOG_THRESHOLD = "log_jumprelu_threshold"
DATASET_NORM = "dataset_average_activation_norm."


class LmSaes:
    """`config.json` with the fields of `SAEConfig`, and the weights by the names of `SparseAutoEncoder`."""

    name: ClassVar[str] = "lm-saes"
    config_name: ClassVar[str] = "config.json"
    weight_names: ClassVar[tuple[str, ...]] = tuple(
        f"{stem}.{suffix}"
        for stem in ("sae_weights", "checkpoints/pruned", "checkpoints/final")
        for suffix in ("safetensors", "pt")
    )

    def fits(self, folder: Path) -> bool:
        """Whether there is such a config, or one that is damaged."""
        path = folder / self.config_name
        values = peek_json(path)
        return "sae_type" in values or "expansion_factor" in values or (path.is_file() and not values)

    def config(self, folder: Path) -> SAEConfig:
        """What `config.json` says; raises a UserError also for a kind of dictionary that is not read."""
        path = folder / self.config_name
        values = read_json(path)
        kind = values.get("sae_type", "sae")
        if kind not in SAE_TYPES:
            raise UserError(f"The checkpoint {str(folder)!r} is of type {kind!r}; the types read are {SAE_TYPES}.")
        return validated_config(values, path)

    def weights(self, folder: Path, config: SAEConfig, file: Path) -> dict[str, Tensor]:  # noqa: ARG002
        """The weights, with thresholds out of their logarithms."""
        weights = {name.removeprefix(ACTIVATION_FUNCTION): value for name, value in read_tensors(file).items()}
        if LOG_THRESHOLD in weights:
            weights["threshold"] = weights.pop(LOG_THRESHOLD).exp()
        norms = {name: weights.pop(name) for name in list(weights) if name.startswith(DATASET_NORM)}
        if config.norm_activation != "dataset-wise":
            return weights
        for ours, hook in zip(DATASET_NORMS, (config.hook_point_in, config.hook_point_out), strict=True):
            name = f"{DATASET_NORM}{hook}"
            if name not in norms or not 0 < norms[name] < float("inf"):
                raise UserError(
                    f"The weights {str(file)!r} have no positive {name!r}, which norm_activation 'dataset-wise' needs."
                )
            weights[ours] = norms[name]
        return weights

    def written(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of a `SparseAutoEncoder` by the names of this format."""
        weights = dict(weights)
        if "threshold" in weights:
            weights[ACTIVATION_FUNCTION + LOG_THRESHOLD] = weights.pop("threshold").log()
        return weights


LM_SAES = LmSaes()
